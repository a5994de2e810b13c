// Package queue is how a function hands work to another: as a message that is
// delivered at least once, in any order, perhaps much later.
package queue

import "context"

// Sender puts messages on one queue.
type Sender interface {
	// Send returns nil only when every body is kept durably. After an error
	// any of them may have been kept: sending again is safe, because whoever
	// receives them recognises a repeat by its cause. A body holds at most
	// 200 KB. It fails with loyalty.KindUnavailable.
	Send(ctx context.Context, bodies ...[]byte) error
}
