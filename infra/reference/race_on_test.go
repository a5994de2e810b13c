//go:build race

package reference_test

// raceDetector is on, and costs ten times the time on a test that runs one
// history after the other.
const raceDetector = true
