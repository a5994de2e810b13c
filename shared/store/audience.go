package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/audience"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Audience reads one audience; KindNotFound code "audience_unknown".
func (s Store) Audience(ctx context.Context, id string) (audience.Definition, Revision, error) {
	return revised[audience.Definition](ctx, s.Table, table.DocumentKey(table.DocumentAudience, id), "audience_unknown")
}

// Audiences is one page of all audiences.
func (s Store) Audiences(ctx context.Context, limit int, cursor string) ([]audience.Definition, string, error) {
	return documents[audience.Definition](ctx, s.Table, table.Query{
		PK: table.DocumentPK(table.DocumentAudience), Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
}

// PutAudience writes an audience in the place of its revision was; the
// condition fails when somebody else wrote it since.
func PutAudience(definition audience.Definition, was Revision) table.Action {
	return revise(table.DocumentKey(table.DocumentAudience, definition.ID), definition, was)
}

// AudienceMember is what a rule can ask about the account at a time, its days
// counted in the brand's zone.
func AudienceMember(account Account, now time.Time, zone *time.Location) audience.Member {
	member := audience.Member{
		Orders:          int(account.Orders),
		Paid:            int(account.Paid),
		Refunded:        int(account.Refunded),
		DaysSinceLast:   audience.Never(),
		JoinedDays:      audience.Days(account.JoinedAt, now, zone),
		Home:            string(account.Home),
		PointsAvailable: int(account.Balance.Available),
		PointsPending:   int(account.Balance.Pending),
		Consents: audience.Consents{
			Membership:      consented(account, loyalty.ConsentMembership),
			Marketing:       consented(account, loyalty.ConsentMarketing),
			Personalisation: consented(account, loyalty.ConsentPersonalisation),
		},
	}
	if account.Orders > 0 {
		member.AverageOrder = int(account.Paid-account.Refunded) / int(account.Orders)
	}
	last := account.LastOther
	for name, bought := range account.Bought {
		if member.Categories == nil {
			member.Categories = make(map[string]audience.Category, len(account.Bought))
		}
		member.Categories[name] = audience.Category{
			Count: int(bought.Count), Quantity: int(bought.Quantity), DaysSince: audience.Days(bought.Last, now, zone),
		}
		if bought.Last.After(last) {
			last = bought.Last
		}
	}
	if !last.IsZero() {
		member.DaysSinceLast = audience.Days(last, now, zone)
	}
	return member
}

func consented(account Account, consent loyalty.Consent) bool {
	_, given := account.Consents[consent]
	return given
}

// RosterAfter is one run of the members of a shard: those that follow after, up
// to and with last ("" is the shard's end), at most limit. More tells whether
// others may follow within the bounds; where it says so, members has the limit. A run that was read once can be read again
// by its bounds, whoever joined in between.
func (s Store) RosterAfter(ctx context.Context, shard int, after, last loyalty.MemberID, limit int) (members []loyalty.MemberID, more bool, err error) {
	query := table.Query{PK: table.RosterPK(shard), To: string(last), Limit: limit, Consistency: table.Strong}
	if after != "" {
		query.Cursor = query.CursorAt(table.Position{Key: table.Key{PK: query.PK, SK: string(after)}})
	}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return nil, false, err
		}
		for _, item := range page.Items {
			members = append(members, loyalty.MemberID(item.Key.SK))
		}
		if page.Next == "" || len(members) >= limit {
			return members, page.Next != "", nil
		}
		query.Cursor, query.Limit = page.Next, limit-len(members)
	}
}
