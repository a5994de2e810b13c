// Package smoke runs every deployable binary as Lambda does, against a Runtime
// API on loopback, and looks for a right answer to a sample event. It needs a
// DynamoDB engine of other people's (see infra/conformance/reference) and
// stands behind a build tag:
//
//	go test -tags smoke -count=1 -v ./infra/smoke
package smoke
