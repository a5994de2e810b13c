package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/huitou/huitou/shared/table"
)

// Write implements table.Table. One action is a PutItem, UpdateItem or
// DeleteItem; several are a TransactWriteItems, and so is a check alone, which
// DynamoDB has no other call for. (A strong read and a comparison here would
// be cheaper, but a second place that knows what a condition means.)
func (e *Engine) Write(ctx context.Context, actions ...table.Action) error {
	if err := table.Validate(actions); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return table.Timeout(err)
	}
	for attempt := 0; ; attempt++ {
		capacity, err := e.send(ctx, actions)
		if err == nil {
			spend(ctx, nil, capacity)
			return nil
		}
		refusal, mapped := refused(err)
		if refusal != nil {
			table.Spend(ctx, 0, table.RefusedUnits(actions, refusal))
			return refusal
		}
		table.Spend(ctx, 0, 0)
		if !isConflict(mapped) || attempt == attempts-1 {
			return mapped
		}
		if err := e.pause(ctx, attempt); err != nil {
			return err
		}
	}
}

// send makes the one call.
func (e *Engine) send(ctx context.Context, actions []table.Action) (*types.ConsumedCapacity, error) {
	if table.IsTransaction(actions) {
		return e.transact(ctx, actions)
	}
	action := &actions[0]
	var x expression
	switch action.Op {
	case table.OpPut:
		condition := x.condition(action.If)
		out, err := e.calls.putItem(ctx, &dynamodb.PutItemInput{
			TableName: &e.table, Item: encodeItem(action.Item), ConditionExpression: condition,
			ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
			ReturnConsumedCapacity:              types.ReturnConsumedCapacityIndexes,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	case table.OpUpdate:
		update, condition := x.update(action.Changes), x.condition(action.If)
		out, err := e.calls.updateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: &e.table, Key: encodeKey(action.Item.Key), UpdateExpression: update, ConditionExpression: condition,
			ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
			ReturnConsumedCapacity:              types.ReturnConsumedCapacityIndexes,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	default:
		condition := x.condition(action.If)
		out, err := e.calls.deleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &e.table, Key: encodeKey(action.Item.Key), ConditionExpression: condition,
			ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
			ReturnConsumedCapacity:              types.ReturnConsumedCapacityIndexes,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err != nil {
			return nil, err
		}
		return out.ConsumedCapacity, nil
	}
}

func (e *Engine) transact(ctx context.Context, actions []table.Action) (*types.ConsumedCapacity, error) {
	items := make([]types.TransactWriteItem, len(actions))
	for i := range actions {
		action := &actions[i]
		var x expression
		switch action.Op {
		case table.OpPut:
			condition := x.condition(action.If)
			items[i].Put = &types.Put{
				TableName: &e.table, Item: encodeItem(action.Item), ConditionExpression: condition,
				ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		case table.OpUpdate:
			update, condition := x.update(action.Changes), x.condition(action.If)
			items[i].Update = &types.Update{
				TableName: &e.table, Key: encodeKey(action.Item.Key), UpdateExpression: update, ConditionExpression: condition,
				ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		case table.OpDelete:
			condition := x.condition(action.If)
			items[i].Delete = &types.Delete{
				TableName: &e.table, Key: encodeKey(action.Item.Key), ConditionExpression: condition,
				ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		case table.OpCheck:
			condition := x.condition(action.If)
			items[i].ConditionCheck = &types.ConditionCheck{
				TableName: &e.table, Key: encodeKey(action.Item.Key), ConditionExpression: condition,
				ExpressionAttributeNames: x.names, ExpressionAttributeValues: x.values,
				ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
			}
		}
	}
	out, err := e.calls.transactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: items, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
	})
	if err != nil {
		return nil, err
	}
	if len(out.ConsumedCapacity) == 0 {
		return nil, nil
	}
	return &out.ConsumedCapacity[0], nil
}

// refused sorts the error of a write: either conditions refused it, or it
// failed otherwise.
func refused(err error) (*table.ConditionError, error) {
	if single, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return refusal([]int{0}, []attributes{single.Item})
	}
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return nil, failure(err)
	}
	var places []int
	var olds []attributes
	for i, reason := range cancelled.CancellationReasons {
		if reason.Code != nil && *reason.Code == "ConditionalCheckFailed" {
			places = append(places, i)
			olds = append(olds, reason.Item)
		}
	}
	if len(places) == 0 {
		return nil, cancellation(cancelled)
	}
	return refusal(places, olds)
}

func refusal(places []int, olds []attributes) (*table.ConditionError, error) {
	e := &table.ConditionError{Failed: make([]table.Failure, len(places))}
	for i, place := range places {
		e.Failed[i].Action = place
		if len(olds[i]) == 0 {
			continue
		}
		old, err := decodeItem(olds[i])
		if err != nil {
			return nil, err
		}
		e.Failed[i].Old = &old
	}
	return e, nil
}
