// Package sqsqueue is queues on Amazon SQS, the only importer of its client.
package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/queue"
)

// Queue sends to one queue.
type Queue struct {
	sendBatch call[sqs.SendMessageBatchInput, sqs.SendMessageBatchOutput]
	url       string
}

// call is one call of the client. The client itself, behind an interface and
// beside anything that calls methods by their names (as html/template does),
// would be linked with all of its calls.
type call[I, O any] func(context.Context, *I, ...func(*sqs.Options)) (*O, error)

var _ queue.Sender = Queue{}

// New makes a Queue.
func New(client *sqs.Client, url string) Queue { return Queue{client.SendMessageBatch, url} }

// SQS takes at most 10 messages and 1 MiB in one call; bodies hold at most
// 200 KB, so that five always fit.
const (
	batchMessages = 10
	batchBytes    = 1 << 20
)

// Send implements queue.Sender.
func (q Queue) Send(ctx context.Context, bodies ...[]byte) error {
	for len(bodies) > 0 {
		n, size := 0, 0
		for n < len(bodies) && n < batchMessages && size+len(bodies[n]) <= batchBytes {
			size += len(bodies[n])
			n++
		}
		if n == 0 {
			return loyalty.Refuse(loyalty.KindTooLarge, "message_too_large", "a message holds 200 KB at most")
		}
		if err := q.send(ctx, bodies[:n]); err != nil {
			return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "queue_unavailable", Detail: "the queue did not take the message; send it again", Cause: err}
		}
		bodies = bodies[n:]
	}
	return nil
}

func (q Queue) send(ctx context.Context, bodies [][]byte) error {
	entries := make([]types.SendMessageBatchRequestEntry, len(bodies))
	for i, body := range bodies {
		entries[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(string(body))}
	}
	out, err := q.sendBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		return err
	}
	if len(out.Failed) > 0 {
		return fmt.Errorf("%d messages of %d: %s", len(out.Failed), len(bodies), aws.ToString(out.Failed[0].Code))
	}
	return nil
}

// Pair is a queue and where its dead messages go.
type Pair struct{ Name, URL, DeadURL string }

// Admin looks after queues.
type Admin struct {
	queues     []Pair
	attributes call[sqs.GetQueueAttributesInput, sqs.GetQueueAttributesOutput]
	receive    call[sqs.ReceiveMessageInput, sqs.ReceiveMessageOutput]
	move       call[sqs.StartMessageMoveTaskInput, sqs.StartMessageMoveTaskOutput]
}

// NewAdmin makes an Admin.
func NewAdmin(client *sqs.Client, queues []Pair) Admin {
	return Admin{queues, client.GetQueueAttributes, client.ReceiveMessage, client.StartMessageMoveTask}
}

var _ queue.Admin = Admin{}

// Status implements queue.Admin.
func (a Admin) Status(ctx context.Context) ([]queue.Status, error) {
	all := []queue.Status{}
	for _, pair := range a.queues {
		waiting, inFlight, err := a.depth(ctx, pair.URL)
		if err != nil {
			return nil, err
		}
		dead, deadInFlight, err := a.depth(ctx, pair.DeadURL)
		if err != nil {
			return nil, err
		}
		all = append(all, queue.Status{Name: pair.Name, Waiting: waiting, InFlight: inFlight, Dead: dead + deadInFlight})
	}
	return all, nil
}

func (a Admin) depth(ctx context.Context, url string) (waiting, inFlight int, err error) {
	out, err := a.attributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url,
		AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		},
	})
	if err != nil {
		return 0, 0, unavailable(err)
	}
	waiting, errWaiting := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessages)])
	inFlight, errInFlight := strconv.Atoi(out.Attributes[string(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)])
	if err := errors.Join(errWaiting, errInFlight); err != nil {
		return 0, 0, unavailable(err)
	}
	return waiting, inFlight, nil
}

// Dead implements queue.Admin. It receives the messages for a moment, which
// hides them from others for as long.
func (a Admin) Dead(ctx context.Context, name string, limit int) ([]queue.DeadMessage, error) {
	pair, err := a.find(name)
	if err != nil {
		return nil, err
	}
	dead := []queue.DeadMessage{}
	for len(dead) < limit {
		out, err := a.receive(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &pair.DeadURL, MaxNumberOfMessages: int32(min(batchMessages, limit-len(dead))), VisibilityTimeout: 5,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
			},
		})
		if err != nil {
			return nil, unavailable(err)
		}
		if len(out.Messages) == 0 {
			break
		}
		for _, m := range out.Messages {
			dead = append(dead, readDead(m))
		}
	}
	return dead, nil
}

func readDead(m types.Message) queue.DeadMessage {
	dead := queue.DeadMessage{ID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body)}
	if n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil {
		dead.Receives = n
	}
	if ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil {
		dead.SentAt = time.UnixMilli(ms).UTC()
	}
	return dead
}

// Redrive implements queue.Admin. SQS moves the messages by itself; the number
// is what it counts at the start.
func (a Admin) Redrive(ctx context.Context, name string) (int, error) {
	pair, err := a.find(name)
	if err != nil {
		return 0, err
	}
	count, _, err := a.depth(ctx, pair.DeadURL)
	if err != nil {
		return 0, err
	}
	arn, err := a.arn(ctx, pair.DeadURL)
	if err != nil {
		return 0, err
	}
	if _, err := a.move(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &arn}); err != nil {
		return 0, unavailable(err)
	}
	return count, nil
}

func (a Admin) arn(ctx context.Context, url string) (string, error) {
	out, err := a.attributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return "", unavailable(err)
	}
	return out.Attributes[string(types.QueueAttributeNameQueueArn)], nil
}

func (a Admin) find(name string) (Pair, error) {
	for _, pair := range a.queues {
		if pair.Name == name {
			return pair, nil
		}
	}
	return Pair{}, loyalty.Refuse(loyalty.KindNotFound, "queue_unknown", "there is no such queue; GET /v1/queues lists them")
}

func unavailable(err error) error {
	return &loyalty.Error{Kind: loyalty.KindUnavailable, Code: "queue_unavailable", Detail: "the queue did not answer", Cause: err}
}
