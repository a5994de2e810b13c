package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/table"
)

// Request is what is remembered of a POST under its Idempotency-Key.
type Request struct {
	BodyHash string `json:"body_hash"`
	// First is when the key was first used; zero once there is an answer.
	First time.Time `json:"first,omitzero"`
	// Until is when whoever began to answer has certainly stopped; only then
	// may another take over. It is zero once there is an answer.
	Until       time.Time `json:"until,omitzero"`
	Status      int       `json:"status,omitempty"`
	ContentType string    `json:"content_type,omitempty"`
	Answer      string    `json:"answer,omitempty"` // sealed, see package idempotency
}

// requestLife is how long an answer is kept: longer than any client retries.
const requestLife = 30 * 24 * time.Hour

// BeginRequest claims a caller's key. When it is taken it returns what is
// remembered, and false.
func (s Store) BeginRequest(ctx context.Context, caller, key string, request Request, now time.Time) (Request, bool, error) {
	err := s.Table.Write(ctx, table.Put(requestItem(caller, key, request, now), table.Absent()))
	if refused, old := refusedBy(err); refused && old != nil {
		known, err := decode[Request](*old)
		return known, false, err
	}
	return request, err == nil, err
}

// ReplaceRequest moves a key from what was remembered to something else; false
// when somebody else did it first.
func (s Store) ReplaceRequest(ctx context.Context, caller, key string, was, is Request, now time.Time) (bool, error) {
	err := s.Table.Write(ctx, table.Put(requestItem(caller, key, is, now), table.Equals(doc, encode(was))))
	if refused, _ := refusedBy(err); refused {
		return false, nil
	}
	return err == nil, err
}

func requestItem(caller, key string, request Request, now time.Time) table.Item {
	item := documentItem(table.RequestKey(caller, key), request)
	item.Attributes[table.ExpiresAttribute] = table.Number(now.Add(requestLife).Unix())
	return item
}
