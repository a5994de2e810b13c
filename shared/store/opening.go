package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Opening is what a member brought along from an old system (期初余额), once for
// each system.
type Opening struct {
	points.Fact // FactOpening
	points.Opening
	JoinedAt *time.Time        `json:"joined_at,omitempty"` // when they became a member there
	Consents []loyalty.Consent `json:"consents,omitempty"`  // that they gave there, sorted
	GivenAt  *time.Time        `json:"given_at,omitempty"`  // when they gave them, where it is known
	Made     Hand              `json:"made"`
}

// SameAs tells whether two openings bring the same, whenever and by whomever.
func (o Opening) SameAs(other Opening) bool {
	return encode(o.brought()) == encode(other.brought())
}

func (o Opening) brought() Opening {
	return Opening{Opening: o.Opening, JoinedAt: o.JoinedAt, Consents: o.Consents, GivenAt: o.GivenAt}
}

// Told is what the opening tells of consents.
func (o Opening) Told() Told {
	told := Told{Consents: o.Consents}
	if o.GivenAt != nil {
		told.GivenAt = *o.GivenAt
	}
	return told
}

// Opening reads a member's opening of a source; KindNotFound code
// "opening_unknown".
func (s Store) Opening(ctx context.Context, member loyalty.MemberID, source string) (Opening, error) {
	return document[Opening](ctx, s.Table, table.OpeningKey(member, source), "opening_unknown")
}

// PutOpening puts an opening under the condition that the member has none of
// its source.
func PutOpening(opening Opening) table.Action {
	item := documentItem(table.OpeningKey(opening.Member, opening.Source), opening)
	if len(opening.Entries) > 0 {
		item.Attributes["mpk"] = table.String(table.MemberPK(opening.Member))
		item.Attributes["msk"] = table.String(table.HistorySK(opening.At, item.Key))
	}
	return table.Put(item, table.Absent())
}

// JoinedBy makes a member one since a time, unless they were one earlier. The
// condition fails when that changed since the account was read.
func JoinedBy(account Account, at time.Time) ([]table.Change, []table.Condition) {
	if !at.Before(account.JoinedAt) {
		return nil, nil
	}
	return []table.Change{table.Set(accountJoined, table.String(table.Instant(at)))},
		[]table.Condition{table.Equals(accountJoined, table.String(table.Instant(account.JoinedAt)))}
}
