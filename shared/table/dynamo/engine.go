// Package dynamo is the table on Amazon DynamoDB. It is the only place with
// expression strings and, beside shared/boot, the only importer of the client.
// Expressions and attribute values are written by hand: linking the SDK's
// packages for them would cost every cold start more than using them.
package dynamo

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/huitou/huitou/shared/table"
)

// Engine implements table.Table. It is safe for concurrent use.
//
// Units are those that DynamoDB reports, except for a write that a condition
// refused, which it bills and does not report: see table.RefusedUnits. The
// client's own retries are not counted as round trips.
//
// A single write that the client sent twice, because the first answer was
// lost, may meet its own effect: then its condition fails although it was
// written, and Failure.Old is the item it wrote. Transactions carry a token
// and do not.
type Engine struct {
	calls calls
	table string
	pause func(ctx context.Context, attempt int) error
}

var _ table.Table = (*Engine)(nil)

// New is the engine on an existing table.
func New(client *dynamodb.Client, tableName string) *Engine {
	return &Engine{calls: callsOf(client), table: tableName, pause: pause}
}

// call is one call of the client.
type call[I, O any] func(context.Context, *I, ...func(*dynamodb.Options)) (*O, error)

// calls are those that the engine makes. A binary that holds the client itself
// behind an interface, and anything that calls methods by their names (as
// html/template and expr do), is linked with all of the client's calls.
type calls struct {
	getItem            call[dynamodb.GetItemInput, dynamodb.GetItemOutput]
	batchGetItem       call[dynamodb.BatchGetItemInput, dynamodb.BatchGetItemOutput]
	query              call[dynamodb.QueryInput, dynamodb.QueryOutput]
	scan               call[dynamodb.ScanInput, dynamodb.ScanOutput]
	putItem            call[dynamodb.PutItemInput, dynamodb.PutItemOutput]
	updateItem         call[dynamodb.UpdateItemInput, dynamodb.UpdateItemOutput]
	deleteItem         call[dynamodb.DeleteItemInput, dynamodb.DeleteItemOutput]
	transactWriteItems call[dynamodb.TransactWriteItemsInput, dynamodb.TransactWriteItemsOutput]
}

func callsOf(client *dynamodb.Client) calls {
	return calls{
		client.GetItem, client.BatchGetItem, client.Query, client.Scan,
		client.PutItem, client.UpdateItem, client.DeleteItem, client.TransactWriteItems,
	}
}

// attempts is how often a call is made that loses a transaction conflict, or
// that gets nothing but unprocessed keys.
const attempts = 5

// pause waits before the next attempt: 25 to 50 ms, then twice as long each
// time.
func pause(ctx context.Context, attempt int) error {
	base := 25 * time.Millisecond << attempt
	timer := time.NewTimer(base + rand.N(base))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return table.Timeout(ctx.Err())
	}
}

// spend reports what DynamoDB says that one call cost.
func spend(ctx context.Context, reads, writes *types.ConsumedCapacity) {
	units := func(capacity *types.ConsumedCapacity) float64 {
		if capacity == nil {
			return 0
		}
		return aws.ToFloat64(capacity.CapacityUnits)
	}
	table.Spend(ctx, units(reads), units(writes))
}

// Get implements table.Table.
func (e *Engine) Get(ctx context.Context, consistency table.Consistency, keys ...table.Key) ([]*table.Item, error) {
	if err := table.ValidateKeys(keys); err != nil || len(keys) == 0 {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, table.Timeout(err)
	}
	if len(keys) > 1 {
		return e.batchGet(ctx, consistency, keys)
	}
	out, err := e.calls.getItem(ctx, &dynamodb.GetItemInput{
		TableName: &e.table, Key: encodeKey(keys[0]), ConsistentRead: aws.Bool(bool(consistency)),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	})
	if err != nil {
		table.Spend(ctx, 0, 0)
		return nil, failure(err)
	}
	spend(ctx, out.ConsumedCapacity, nil)
	if out.Item == nil {
		return []*table.Item{nil}, nil
	}
	item, err := decodeItem(out.Item)
	if err != nil {
		return nil, err
	}
	return []*table.Item{&item}, nil
}

// batchGet asks again for the keys that DynamoDB left out, because the answer
// was over 16 MB or the table is busy, as long as it answers some.
func (e *Engine) batchGet(ctx context.Context, consistency table.Consistency, keys []table.Key) ([]*table.Item, error) {
	places := make(map[table.Key]int, len(keys))
	open := types.KeysAndAttributes{ConsistentRead: aws.Bool(bool(consistency)), Keys: make([]attributes, len(keys))}
	for i, key := range keys {
		places[key] = i
		open.Keys[i] = encodeKey(key)
	}
	items := make([]*table.Item, len(keys))
	for idle := 0; ; {
		out, err := e.calls.batchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{e.table: open},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
		})
		if err != nil {
			table.Spend(ctx, 0, 0)
			return nil, failure(err)
		}
		var capacity *types.ConsumedCapacity
		if len(out.ConsumedCapacity) > 0 {
			capacity = &out.ConsumedCapacity[0]
		}
		spend(ctx, capacity, nil)
		for _, encoded := range out.Responses[e.table] {
			item, err := decodeItem(encoded)
			if err != nil {
				return nil, err
			}
			place, asked := places[item.Key]
			if !asked {
				return nil, foreign("an item came that was not asked for")
			}
			items[place] = &item
		}
		left := out.UnprocessedKeys[e.table].Keys
		if len(left) == 0 {
			return items, nil
		}
		if len(left) == len(open.Keys) {
			if idle++; idle == attempts {
				return nil, table.Throttled(nil)
			}
			if err := e.pause(ctx, idle-1); err != nil {
				return nil, err
			}
		}
		open.Keys = left
	}
}

// Query implements table.Table.
func (e *Engine) Query(ctx context.Context, query table.Query) (table.Page, error) {
	if err := query.Validate(); err != nil {
		return table.Page{}, err
	}
	last, err := query.Position()
	if err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, table.Timeout(err)
	}
	pk, sk := "pk", "sk"
	var index *string
	if query.Index != "" {
		found, _ := table.FindIndex(query.Index)
		pk, sk, index = found.PK, found.SK, &query.Index
	}
	var start attributes
	if last != nil {
		start = encodeKey(last.Key)
		if index != nil {
			start[pk], start[sk] = encode(table.String(query.PK)), encode(table.String(last.IndexSK))
		}
	}
	var x expression
	condition := x.keyCondition(query, pk, sk)
	out, err := e.calls.query(ctx, &dynamodb.QueryInput{
		TableName: &e.table, IndexName: index, KeyConditionExpression: condition,
		ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
		ExclusiveStartKey: start, Limit: aws.Int32(int32(query.Limit)), ScanIndexForward: aws.Bool(!query.Descending),
		ConsistentRead: aws.Bool(bool(query.Consistency)), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	})
	if err != nil {
		table.Spend(ctx, 0, 0)
		return table.Page{}, failure(err)
	}
	spend(ctx, out.ConsumedCapacity, nil)
	page, err := decodePage(out.Items)
	if len(out.LastEvaluatedKey) > 0 {
		position := table.Position{Key: table.Key{PK: text(out.LastEvaluatedKey, "pk"), SK: text(out.LastEvaluatedKey, "sk")}}
		if index != nil {
			position.IndexSK = text(out.LastEvaluatedKey, sk)
		}
		page.Next = query.CursorAt(position)
	}
	return page, err
}

// Scan implements table.Table.
func (e *Engine) Scan(ctx context.Context, scan table.Scan) (table.Page, error) {
	if err := scan.Validate(); err != nil {
		return table.Page{}, err
	}
	last, err := scan.Position()
	if err != nil {
		return table.Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return table.Page{}, table.Timeout(err)
	}
	var start attributes
	if last != nil {
		start = encodeKey(*last)
	}
	out, err := e.calls.scan(ctx, &dynamodb.ScanInput{
		TableName: &e.table, Segment: aws.Int32(int32(scan.Segment)), TotalSegments: aws.Int32(int32(scan.Segments)),
		ExclusiveStartKey: start, Limit: aws.Int32(int32(scan.Limit)),
		ConsistentRead: aws.Bool(bool(scan.Consistency)), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	})
	if err != nil {
		table.Spend(ctx, 0, 0)
		return table.Page{}, failure(err)
	}
	spend(ctx, out.ConsumedCapacity, nil)
	page, err := decodePage(out.Items)
	if len(out.LastEvaluatedKey) > 0 {
		page.Next = scan.CursorAt(table.Key{PK: text(out.LastEvaluatedKey, "pk"), SK: text(out.LastEvaluatedKey, "sk")})
	}
	return page, err
}

func decodePage(items []attributes) (table.Page, error) {
	page := table.Page{Items: make([]table.Item, len(items))}
	for i, encoded := range items {
		item, err := decodeItem(encoded)
		if err != nil {
			return table.Page{}, err
		}
		page.Items[i] = item
	}
	return page, nil
}
