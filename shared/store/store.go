// Package store turns entities into items and back: one file per entity, one
// function per access pattern, the only reader and writer of attribute names.
// It decides nothing.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Store reads and writes entities in one table.
type Store struct {
	Table table.Table
}

// doc is the attribute that holds an entity's JSON document, where nothing in
// it needs an attribute of its own.
const doc = "doc"

// notThere is the sentence of every KindNotFound; the code says what.
const notThere = "there is nothing of this id"

func encode(entity any) table.Value {
	raw, err := json.Marshal(entity)
	if err != nil {
		panic(fmt.Sprintf("store: %T does not encode: %v", entity, err)) // entities are plain values
	}
	return table.String(string(raw))
}

func decode[T any](item table.Item) (T, error) {
	var entity T
	if err := json.Unmarshal([]byte(item.Text(doc)), &entity); err != nil {
		return entity, &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: fmt.Errorf("%T: %w", entity, err)}
	}
	return entity, nil
}

// document reads one document item; KindNotFound with the code when it is not
// there.
func document[T any](ctx context.Context, t table.Table, key table.Key, code string) (T, error) {
	var none T
	items, err := t.Get(ctx, table.Strong, key)
	if err != nil {
		return none, err
	}
	if items[0] == nil {
		return none, loyalty.Refuse(loyalty.KindNotFound, code, notThere)
	}
	return decode[T](*items[0])
}

// documents reads one page of documents of a partition.
func documents[T any](ctx context.Context, t table.Table, query table.Query) ([]T, string, error) {
	page, err := t.Query(ctx, query)
	if err != nil {
		return nil, "", err
	}
	entities := make([]T, 0, len(page.Items))
	for _, item := range page.Items {
		entity, err := decode[T](item)
		if err != nil {
			return nil, "", err
		}
		entities = append(entities, entity)
	}
	return entities, page.Next, nil
}

// Refused tells whether a write changed nothing because a condition did not
// hold.
func Refused(err error) bool {
	_, refused := errors.AsType[*table.ConditionError](err)
	return refused
}

// refusedAt is the item that refused the action at a position of a write; nil
// when that action was not refused, or by no item.
func refusedAt(err error, action int) *table.Item {
	refused, ok := errors.AsType[*table.ConditionError](err)
	if !ok {
		return nil
	}
	failure := refused.FailedAt(action)
	if failure == nil {
		return nil
	}
	return failure.Old
}

// refusedBy tells whether a write of one action was refused by its condition,
// and the item that refused it.
func refusedBy(err error) (bool, *table.Item) {
	refused, ok := errors.AsType[*table.ConditionError](err)
	if !ok {
		return false, nil
	}
	return true, refused.Failed[0].Old
}

func documentItem(key table.Key, entity any) table.Item {
	return table.Item{Key: key, Attributes: map[string]table.Value{doc: encode(entity)}}
}
