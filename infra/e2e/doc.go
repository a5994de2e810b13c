// Package e2e holds the tests that use the pages as people do, in a real
// browser against the local process: `make e2e`. They need chromium, and fail
// without it.
package e2e
