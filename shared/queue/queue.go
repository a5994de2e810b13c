// Package queue is how a function hands work to another: as a message that is
// delivered at least once, in any order, perhaps much later.
package queue

import (
	"context"
	"time"
)

// Sender puts messages on one queue.
type Sender interface {
	// Send returns nil only when every body is kept durably. After an error
	// any of them may have been kept: sending again is safe, because whoever
	// receives them recognises a repeat by its cause. A body holds at most
	// 200 KB. It fails with loyalty.KindUnavailable.
	Send(ctx context.Context, bodies ...[]byte) error
}

// Admin looks after the brand's queues.
type Admin interface {
	// Status lists every queue with how much is on it; the numbers are
	// approximate on AWS.
	Status(ctx context.Context) ([]Status, error)
	// Dead shows up to limit messages that the queue gave up on, oldest first.
	// KindNotFound code "queue_unknown".
	Dead(ctx context.Context, name string, limit int) ([]DeadMessage, error)
	// Redrive delivers every dead message of the queue again and tells how
	// many, as far as that is known at once. KindNotFound code "queue_unknown".
	Redrive(ctx context.Context, name string) (int, error)
}

// Status is how one queue stands.
type Status struct {
	Name     string `json:"name"`
	Waiting  int    `json:"waiting" doc:"not delivered yet"`
	InFlight int    `json:"in_flight" doc:"being worked on"`
	Dead     int    `json:"dead" doc:"given up on"`
}

// DeadMessage is a message that failed at every try. Its body holds no phone
// and no code: senders put none in.
type DeadMessage struct {
	ID       string    `json:"id"`
	Body     string    `json:"body"`
	Receives int       `json:"receives"`
	SentAt   time.Time `json:"sent_at"`
}
