package store

import (
	"context"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Revision counts how often a document was written, from 1. 0 stands for a
// document that is not there.
type Revision int64

const revision = "revision"

// Template reads one coupon template; KindNotFound code "template_unknown".
func (s Store) Template(ctx context.Context, id string) (coupons.Template, Revision, error) {
	return revised[coupons.Template](ctx, s.Table, table.DocumentKey(table.DocumentTemplate, id), "template_unknown")
}

// Templates is one page of all coupon templates.
func (s Store) Templates(ctx context.Context, limit int, cursor string) ([]coupons.Template, string, error) {
	return documents[coupons.Template](ctx, s.Table, table.Query{
		PK: table.DocumentPK(table.DocumentTemplate), Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
}

// PutTemplate writes a template in the place of its revision was; the condition
// fails when somebody else wrote it since.
func PutTemplate(template coupons.Template, was Revision) table.Action {
	return revise(table.DocumentKey(table.DocumentTemplate, template.ID), template, was)
}

func revised[T any](ctx context.Context, t table.Table, key table.Key, code string) (T, Revision, error) {
	var none T
	items, err := t.Get(ctx, table.Strong, key)
	if err != nil {
		return none, 0, err
	}
	if items[0] == nil {
		return none, 0, loyalty.Refuse(loyalty.KindNotFound, code, notThere)
	}
	entity, err := decode[T](*items[0])
	return entity, Revision(items[0].Int(revision)), err
}

func revise(key table.Key, entity any, was Revision) table.Action {
	condition := table.Equals(revision, table.Number(int64(was)))
	if was == 0 {
		condition = table.Absent()
	}
	return table.Update(key, []table.Change{
		table.Set(doc, encode(entity)), table.Set(revision, table.Number(int64(was)+1)),
	}, condition)
}
