// Package bootqueue opens queues on SQS.
package bootqueue

import (
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/queue/sqsqueue"
)

func client(env *boot.Environment) *sqs.Client {
	return sqs.New(sqs.Options{
		Region: env.AWS.Region, Credentials: env.AWS.Credentials,
		HTTPClient: env.AWS.HTTPClient, BaseEndpoint: env.AWS.BaseEndpoint,
	})
}

// Sender sends to the queue whose URL the variable holds.
func Sender(env *boot.Environment, variable string) sqsqueue.Queue {
	return sqsqueue.New(client(env), env.Variable(variable))
}

// Admin looks after every queue that the environment names: NAME_QUEUE_URL and
// NAME_DEAD_QUEUE_URL are the queue "name" and where its dead messages go.
func Admin(env *boot.Environment) sqsqueue.Admin {
	const suffix, dead = "_QUEUE_URL", "_DEAD_QUEUE_URL"
	var queues []sqsqueue.Pair
	for _, variable := range os.Environ() {
		name, url, _ := strings.Cut(variable, "=")
		if base, isQueue := strings.CutSuffix(name, suffix); isQueue && !strings.HasSuffix(name, dead) {
			queues = append(queues, sqsqueue.Pair{
				Name: strings.ToLower(base), URL: url, DeadURL: env.Variable(base + dead),
			})
		}
	}
	return sqsqueue.NewAdmin(client(env), queues)
}
