package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
	"github.com/huitou/huitou/shared/table/dynamo"
)

// orderBatches decodes, decides and commits batches of ten further orders of
// forty members, on the table that it is given for each batch.
func orderBatches(b *testing.B, s *shop, batches []events.SQSEvent, on func(batch int) table.Table) error {
	f := convertorders.Function{Clock: s.clock, Log: quiet}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		batch := i % len(batches)
		f.Store = store.Store{Table: on(batch)}
		answer, err := f.Handle(s.ctx, batches[batch])
		if err != nil || len(answer.BatchItemFailures) > 0 {
			return fmt.Errorf("%d failures: %w", len(answer.BatchItemFailures), err)
		}
	}
	b.StopTimer()
	return nil
}

// regulars opens a shop whose members have bought, and the batches of what they
// buy next.
func regulars(ctx context.Context, count int) (*shop, []events.SQSEvent, error) {
	s, err := openShop(ctx)
	if err != nil {
		return nil, nil, err
	}
	batches := make([]events.SQSEvent, count)
	for i := range batches {
		var bodies [][]byte
		for j := range ordersInBatch {
			n := i*ordersInBatch + j
			bodies = append(bodies, s.paid(n%len(s.members), 1000+n, regular))
		}
		batches[i] = records(bodies...)
	}
	return s, batches, s.bought(len(s.members), regular)
}

// convertInMemory has the embedded engine, without a file, for a table.
func convertInMemory(ctx context.Context, b *testing.B) error {
	s, batches, err := regulars(ctx, b.N)
	if err != nil {
		return err
	}
	defer func() { _ = s.engine.Close() }() // in memory: nothing is lost
	return orderBatches(b, s, batches, func(int) table.Table { return s.engine })
}

// answers are what a table said to one batch, in order. As a table it says the
// same again, and takes every write: what is left is the function's own work.
type answers struct {
	table.Table // of what is not asked
	gets        [][]*table.Item
	pages       []table.Page
}

func (a *answers) Get(context.Context, table.Consistency, ...table.Key) ([]*table.Item, error) {
	said := a.gets[0]
	a.gets = a.gets[1:]
	return said, nil
}

func (a *answers) Query(context.Context, table.Query) (table.Page, error) {
	said := a.pages[0]
	a.pages = a.pages[1:]
	return said, nil
}

func (a *answers) Write(context.Context, ...table.Action) error { return nil }

// listener keeps what a table answers.
type listener struct {
	table.Table
	heard *answers
}

func (l listener) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	items, err := l.Table.Get(ctx, consistency, keys...)
	l.heard.gets = append(l.heard.gets, items)
	return items, err
}

func (l listener) Query(ctx context.Context, query table.Query) (table.Page, error) {
	page, err := l.Table.Query(ctx, query)
	l.heard.pages = append(l.heard.pages, page)
	return page, err
}

const batchesHeard = 50

// heard are batches, and what the embedded engine answered to each.
func heard(ctx context.Context) (*shop, []events.SQSEvent, []answers, error) {
	s, batches, err := regulars(ctx, batchesHeard)
	if err != nil {
		return nil, nil, nil, err
	}
	all := make([]answers, len(batches))
	for i, batch := range batches {
		f := convertorders.Function{Store: store.Store{Table: listener{s.engine, &all[i]}}, Clock: s.clock, Log: quiet}
		if answer, err := f.Handle(ctx, batch); err != nil || len(answer.BatchItemFailures) > 0 {
			return nil, nil, nil, fmt.Errorf("%d failures: %w", len(answer.BatchItemFailures), err)
		}
	}
	return s, batches, all, s.engine.Close()
}

// convertAlone has a table that knows its answers: it decodes, decides and
// builds the transaction.
func convertAlone(ctx context.Context, b *testing.B) error {
	s, batches, all, err := heard(ctx)
	if err != nil {
		return err
	}
	return orderBatches(b, s, batches, func(batch int) table.Table {
		said := all[batch]
		return &said
	})
}

// convertThroughSDK has DynamoDB's client for a table, which signs, sends and
// reads as it does on AWS; only the network is not there.
func convertThroughSDK(ctx context.Context, b *testing.B) error {
	s, batches, all, err := heard(ctx)
	if err != nil {
		return err
	}
	wire := &wire{}
	engine := dynamo.New(dynamodb.New(dynamodb.Options{
		Region: "us-east-1", HTTPClient: wire,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "bench", SecretAccessKey: "bench", SessionToken: "bench"}, nil
		}),
	}), tableName)
	written := make([]said, len(all))
	for i := range all {
		written[i] = all[i].said()
	}
	return orderBatches(b, s, batches, func(batch int) table.Table {
		wire.said = written[batch]
		return engine
	})
}

const tableName = "huitou"

// said are answers as DynamoDB writes them.
type said struct{ gets, pages [][]byte }

// wire is an HTTP client that has the answers to what it is asked to send.
type wire struct{ said said }

const taken = `{"ConsumedCapacity":[{"TableName":"` + tableName + `","CapacityUnits":5,"WriteCapacityUnits":5}]}`

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	body := []byte(taken)
	switch r.Header.Get("X-Amz-Target") {
	case "DynamoDB_20120810.BatchGetItem":
		body, w.said.gets = w.said.gets[0], w.said.gets[1:]
	case "DynamoDB_20120810.Query":
		body, w.said.pages = w.said.pages[0], w.said.pages[1:]
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

type wireItem = map[string]map[string]string

func onWire(item table.Item) wireItem {
	attributes := wireItem{"pk": {"S": item.Key.PK}, "sk": {"S": item.Key.SK}}
	for name, value := range item.Attributes {
		if value.IsString() {
			attributes[name] = map[string]string{"S": value.Text()}
		} else {
			attributes[name] = map[string]string{"N": strconv.FormatInt(value.Int(), 10)}
		}
	}
	return attributes
}

func (a answers) said() said {
	var s said
	for _, items := range a.gets {
		found := []wireItem{}
		for _, item := range items {
			if item != nil {
				found = append(found, onWire(*item))
			}
		}
		s.gets = append(s.gets, document(map[string]any{
			"Responses": map[string]any{tableName: found}, "UnprocessedKeys": map[string]any{},
			"ConsumedCapacity": []map[string]any{{"TableName": tableName, "CapacityUnits": float64(len(items))}},
		}))
	}
	for _, page := range a.pages {
		found := []wireItem{}
		for _, item := range page.Items {
			found = append(found, onWire(item))
		}
		s.pages = append(s.pages, document(map[string]any{
			"Items": found, "Count": len(found), "ScannedCount": len(found),
			"ConsumedCapacity": map[string]any{"TableName": tableName, "CapacityUnits": 1},
		}))
	}
	return s
}

func document(content any) []byte {
	raw, err := json.Marshal(content)
	if err != nil {
		panic(err) // plain values
	}
	return raw
}
