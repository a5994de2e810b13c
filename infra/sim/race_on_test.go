//go:build race

package sim

// raceDetector is on. It keeps some 50 MB for every seed's coroutines, which
// all run on one goroutine's turn and cannot race: a few seeds are enough for
// it, and make sim runs the many without it.
const raceDetector = true
