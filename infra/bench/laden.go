package main

import (
	"fmt"

	"github.com/huitou/huitou/shared/enrolment"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/tiers"
)

// ladenMembers are what the same orders cost for members of long standing: three
// identities, every consent, a tier and twelve monthly lots. Their account may be
// beyond a kilobyte, and each started kilobyte is paid for twice.
var ladenMembers = []operation{
	{"order credited, a member of long standing", noTarget, func(s *shop) (Units, error) {
		return after(s.laden(1), func() (Units, error) { return s.delivered(s.paid(0, 1, regular)) })
	}},
	{"refund of a line, a member of long standing", noTarget, func(s *shop) (Units, error) {
		refund := s.event(orders.TypeRefunded, 0, 1, orders.Line{LineID: "1", Refunded: 10_000})
		return after(s.laden(1, s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(refund) })
	}},
	{"completion, a member of long standing", noTarget, func(s *shop) (Units, error) {
		completed := s.event(orders.TypeCompleted, 0, 1)
		return after(s.laden(1, s.paid(0, 1, regular)), func() (Units, error) { return s.delivered(completed) })
	}},
	{"settlement of an order, members of long standing", noTarget, func(s *shop) (Units, error) {
		const due = 40
		err := s.laden(due)
		if err == nil {
			err = s.completed(due, orders.TypePaid, orders.TypeCompleted)
		}
		return after(err, func() (Units, error) { return s.settlement(due) })
	}},
	{"order of 50 lines in 50 categories", noTarget, func(s *shop) (Units, error) {
		var lines []orders.Line
		for i := range orders.MaxLines {
			lines = append(lines, orders.Line{LineID: fmt.Sprint(i), SKU: "SKU-0400", Category: fmt.Sprint("category-", i), Quantity: 1, Paid: 1_000})
		}
		return s.delivered(s.event(orders.TypePaid, 0, 1, lines...))
	}},
}

// laden makes the first n members such members, and delivers what happened before.
func (s *shop) laden(n int, before ...[]byte) error {
	for i, member := range s.members[:n] {
		request := enrolment.Request{
			Identities: []enrolment.Identity{
				{Identity: identity(i)},
				{Identity: loyalty.Identity{Kind: loyalty.IdentityOpenID, Channel: "wechat", Value: fmt.Sprintf("oLpbx5%022d", i)}},
				{Identity: loyalty.Identity{Kind: loyalty.IdentityPhone, Value: fmt.Sprintf("%064d", i)}, Shown: "*******0000"},
			},
			Consents: []loyalty.Consent{loyalty.ConsentMembership, loyalty.ConsentMarketing, loyalty.ConsentPersonalisation},
		}
		if _, _, err := enrolment.Enrol(s.ctx, s.store, request, s.random, s.now); err != nil {
			return err
		}
		account, err := s.store.Account(s.ctx, member)
		if err != nil {
			return err
		}
		var entries []points.Entry
		for month := range 12 {
			until := paidAt.AddDate(1, month, 0).UTC()
			entries = append(entries, points.Entry{
				Kind: points.EntryAdjust, Available: 1_000, Lots: []points.Share{{Until: until, Points: 1_000}},
				Growth: &points.Growth{Month: paidAt.AddDate(0, -month, 0).Format("2006-01"), Counting: 1_000},
			})
		}
		changes, conditions := store.Credit(entries, account)
		tier, held := store.ChangeTier(account, tiers.State{Level: "gold", Since: paidAt.AddDate(0, -6, 0), Until: paidAt.AddDate(0, 6, 0)}, entries)
		changes, conditions = append(changes, tier...), append(conditions, held...)
		if err := s.store.Table.Write(s.ctx, store.UpdateAccount(member, changes, conditions...)); err != nil {
			return err
		}
	}
	if len(before) == 0 {
		return nil
	}
	return s.before(before...)
}
