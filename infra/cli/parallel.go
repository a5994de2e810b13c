package cli

import (
	"context"
	"errors"
	"sync"
)

// eachRow works on the rows of an import, several at a time. The function that
// work returns accounts for its row; accounts are taken one after the other. An
// error means that there is no use in going on: rows that were not begun are
// left, those under way come to their end. The answer is why not all were done,
// "" when they were.
func eachRow(ctx context.Context, rows, workers int, work func(ctx context.Context, row int) (account func(), err error)) (stopped string) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	waiting := make(chan int)
	finished := 0
	var group sync.WaitGroup
	var lock sync.Mutex
	for range min(workers, rows) {
		group.Go(func() {
			for row := range waiting {
				account, err := work(ctx, row)
				lock.Lock()
				account()
				if err != nil {
					stop(err)
				} else {
					finished++
				}
				lock.Unlock()
			}
		})
	}
feeding:
	for row := range rows {
		select {
		case waiting <- row:
		case <-ctx.Done():
			break feeding
		}
	}
	close(waiting)
	group.Wait()
	if finished == rows {
		return ""
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause.Error()
	}
	return "interrupted"
}
