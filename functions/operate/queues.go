package operate

import (
	"context"
	"net/http"

	"github.com/huitou/huitou/shared/queue"
	"github.com/huitou/huitou/shared/rest"
)

// QueuePath names a queue.
type QueuePath struct {
	Name string `path:"name" maxLength:"80"`
}

func (f Function) registerQueues(api rest.API) {
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/queues", ID: "queues", Tag: "queues",
		Summary: "Every queue and how much is on it",
	}, func(ctx context.Context, in *struct{ rest.Paging }) (*rest.Body[rest.List[queue.Status]], error) {
		status, err := f.Queues.Status(ctx)
		if err != nil {
			return nil, err
		}
		page, err := rest.PageOf(status, in.Paging)
		return rest.Answer(page), err
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodGet, Path: "/v1/queues/{name}/dead", ID: "dead-messages", Tag: "queues",
		Summary: "Messages that a queue gave up on, oldest first",
	}, func(ctx context.Context, in *struct {
		QueuePath
		Limit int `query:"limit" minimum:"1" maximum:"100" default:"50"`
	},
	) (*rest.Body[rest.List[queue.DeadMessage]], error) {
		dead, err := f.Queues.Dead(ctx, in.Name, in.Limit)
		if err != nil {
			return nil, err
		}
		return rest.Answer(rest.List[queue.DeadMessage]{Items: dead}), nil
	})
	rest.Register(api, f.Log, rest.Operation{
		Method: http.MethodPost, Path: "/v1/queues/{name}/redrive", ID: "redrive", Act: "queue.redrive", Tag: "queues", Status: http.StatusAccepted,
		Summary: "Deliver a queue's dead messages again",
	}, func(ctx context.Context, in *QueuePath) (*rest.Body[redriven], error) {
		moved, err := f.Queues.Redrive(ctx, in.Name)
		if err != nil {
			return nil, err
		}
		return rest.Answer(redriven{moved}), nil
	})
}

type redriven struct {
	Messages int `json:"messages" doc:"how many go back to the queue"`
}
