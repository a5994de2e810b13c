package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// CommitToOrder spends what a reservation set aside on an order (积分抵扣): the
// order's refunds give it back, in proportion to the money, and nothing else does.
// The order need not be known yet: its log begins with what was spent on it.
// Points that known refunds already give back come back in the same write.
//
// A repeat gives the same answer. It fails as Commit does, and with KindConflict
// code "reservation_committed" for one that another order committed, or none.
func CommitToOrder(ctx context.Context, s store.Store, member loyalty.MemberID, id string, order loyalty.OrderKey, now time.Time) (store.Reservation, error) {
	for range attempts {
		reservation, err := s.Reservation(ctx, member, id)
		switch {
		case err != nil:
			return reservation, err
		case reservation.State == store.ReservationCommitted && (reservation.Order == nil || *reservation.Order != order):
			return store.Reservation{}, loyalty.Refuse(loyalty.KindConflict, "reservation_committed",
				"the points of this reservation are spent, and not on this order")
		case reservation.State == store.ReservationCommitted:
			return reservation, nil
		case reservation.State != store.ReservationReserved || !now.Before(reservation.ExpiresAt):
			return store.Reservation{}, reservationClosed()
		}
		log, err := s.Log(ctx, order)
		if err != nil {
			return store.Reservation{}, err
		}
		before := points.Replay(order, log)
		spending := points.SpendingOf(member, id, reservation.Entries[0])
		spent := points.Fact{Kind: points.FactSpent, At: now, Spent: &spending}
		actions := []table.Action{store.AppendFact(order, before.Facts+1, spent)}
		after := before.With(spent)
		var returned loyalty.Points
		for _, owed := range after.Owed() {
			if owed.Member != member {
				continue // whoever posts next to the order finishes that
			}
			if at := slices.IndexFunc(owed.Back, func(back points.Back) bool { return back.Reservation == id }); at >= 0 {
				returned = owed.Back[at].Points
			}
			back, forfeited, err := backTo(ctx, s, after, owed, now)
			if err != nil {
				return store.Reservation{}, err
			}
			actions = append(actions, back...)
			if forfeited {
				returned = 0
				continue
			}
			for _, back := range owed.Back {
				if back.Reservation != id {
					actions = append(actions, store.CountBack(member, back.Reservation, back.Points))
				}
			}
		}
		err = s.Table.Write(ctx, append(actions, store.CommitToOrder(reservation, order, returned))...)
		if store.Refused(err) {
			continue
		}
		reservation.State, reservation.Order, reservation.Returned = store.ReservationCommitted, &order, returned
		return reservation, err
	}
	return store.Reservation{}, lostRace()
}

// giveBack does the part of a refund that gives a member back what they spent on
// the order.
func (p *posting) giveBack(ctx context.Context, order *points.Order, owed points.Owed) error {
	p.member = "" // whose account is read anew where this is refused
	actions, forfeited, err := backTo(ctx, p.store, order, owed, p.now)
	if err != nil {
		return err
	}
	if !forfeited {
		for _, back := range owed.Back {
			actions = append(actions, store.CountBack(owed.Member, back.Reservation, back.Points))
		}
	}
	if err := p.store.Table.Write(ctx, actions...); err != nil {
		return err
	}
	return errMore
}

// backTo appends to the log of an order that it gives a member back what it owes
// them, and credits their account, with that of the member whose part they are. A
// person who was erased gets nothing: forfeited tells that the log notes it.
func backTo(ctx context.Context, s store.Store, order *points.Order, owed points.Owed, now time.Time) (actions []table.Action, forfeited bool, err error) {
	account, err := s.Account(ctx, owed.Member)
	if err != nil {
		return nil, false, err
	}
	seq := order.Facts + 1
	if account.Erased != nil {
		return []table.Action{store.AppendFact(order.Key, seq, order.GiveBack(owed, now, now, nil))}, true, nil
	}
	versions, err := s.Programs(ctx)
	if err != nil {
		return nil, false, err
	}
	grace, held := graceAt(versions, now), account.Points(now)
	fact := order.GiveBack(owed, now, grace, &held)
	changes, conditions := store.Credit(fact.Entries, account)
	actions = []table.Action{
		store.AppendFact(order.Key, seq, fact),
		store.UpdateAsRead(account, changes, append(conditions, store.Alive())...),
	}
	if account.Merged == nil {
		return actions, false, nil
	}
	whole, err := s.Account(ctx, account.Merged.Into)
	if err != nil {
		return nil, false, err
	}
	held = whole.Points(now)
	mirrored := order.GiveBack(owed, now, grace, &held)
	mirrored.Member = whole.Member
	changes, conditions = store.Credit(mirrored.Entries, whole)
	return append(actions, store.UpdateAccount(whole.Member, changes, conditions...), store.Mirror(account.Member, order.Key, seq, mirrored)), false, nil
}

// Back is what an operator gives back of a reservation that no order committed.
type Back struct {
	Member      loyalty.MemberID
	Reservation string
	Act         string         // tells it from others: a repeat under it gives nothing more
	Points      loyalty.Points // 0 for all that did not come back yet
	Reason      string
	By          store.Hand
}

// GiveBack gives back points that a reservation spent, to the lots that they came
// from (积分退回): never more than it spent in all. A repeat gives the reservation as
// it stands. It fails with KindNotFound code "reservation_unknown", with
// KindInvalid at /points code "out_of_range" for less than 0 points, and with
// KindConflict codes "committed_by_order" (the order's refunds give them back),
// "reservation_open", "reservation_closed" (the points came back when it was
// cancelled or ran out), "points_returned" where fewer points are left to give back
// and "member_erased".
func GiveBack(ctx context.Context, s store.Store, wanted Back) (store.Reservation, error) {
	if wanted.Points < 0 {
		return store.Reservation{}, loyalty.Invalid("/points", "out_of_range", "1 or more points come back, or all that are left where none are named")
	}
	now := wanted.By.At
	for range attempts {
		done, err := s.GaveBack(ctx, wanted.Member, wanted.Reservation, wanted.Act)
		if err != nil {
			return store.Reservation{}, err
		}
		reservation, err := s.Reservation(ctx, wanted.Member, wanted.Reservation)
		if err != nil || done {
			return reservation, err
		}
		if err := returnable(reservation); err != nil {
			return store.Reservation{}, err
		}
		left := reservation.Points - reservation.Returned
		amount := wanted.Points
		if amount == 0 {
			amount = left
		}
		if amount > left || left == 0 {
			return store.Reservation{}, loyalty.Refuse(loyalty.KindConflict, "points_returned",
				"fewer points of the reservation are left to give back; read its points and returned")
		}
		account, err := s.Account(ctx, wanted.Member)
		if err != nil {
			return store.Reservation{}, err
		}
		if account.Erased != nil {
			return store.Reservation{}, account.Open()
		}
		versions, err := s.Programs(ctx)
		if err != nil {
			return store.Reservation{}, err
		}
		spending := points.SpendingOf(wanted.Member, wanted.Reservation, reservation.Entries[0])
		to := func(account store.Account) (points.Fact, []table.Change, []table.Condition) {
			fact := points.Fact{
				Kind: points.FactReturned, At: now, Member: account.Member, Operator: wanted.By.Operator, Reason: wanted.Reason,
				Entries: []points.Entry{spending.GiveBack(reservation.Returned, amount, graceAt(versions, now), account.Points(now))},
			}
			changes, conditions := store.Credit(fact.Entries, account)
			return fact, changes, append(conditions, store.Alive())
		}
		fact, changes, conditions := to(account)
		actions := []table.Action{
			store.GiveBack(reservation, amount), store.PutBack(wanted.Reservation, wanted.Act, fact),
			store.UpdateAsRead(account, changes, conditions...),
		}
		if account.Merged != nil {
			whole, err := s.Account(ctx, account.Merged.Into)
			if err != nil {
				return store.Reservation{}, err
			}
			fact, changes, conditions := to(whole)
			actions = append(actions, store.PutBack(wanted.Reservation, wanted.Act, fact), store.UpdateAccount(whole.Member, changes, conditions...))
		}
		err = s.Table.Write(ctx, actions...)
		if store.Refused(err) {
			continue
		}
		reservation.Returned += amount
		return reservation, err
	}
	return store.Reservation{}, lostRace()
}

// returnable refuses a reservation of which an operator gives nothing back.
func returnable(reservation store.Reservation) error {
	switch {
	case reservation.Order != nil:
		return loyalty.Refuse(loyalty.KindConflict, "committed_by_order", "an order committed the reservation; its refunds give the points back")
	case reservation.State == store.ReservationReserved:
		return loyalty.Refuse(loyalty.KindConflict, "reservation_open", "the points are set aside and not spent; cancel the reservation instead")
	case reservation.State == store.ReservationCancelled:
		return reservationClosed()
	}
	return nil
}

func reservationClosed() error {
	return loyalty.Refuse(loyalty.KindConflict, "reservation_closed", "the reservation was cancelled or ran out; its points are available again")
}
