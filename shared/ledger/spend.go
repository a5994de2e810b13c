package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
	"github.com/huitou/huitou/shared/table"
)

// Reserve sets points aside under an id that comes from the request, so that
// its repeat finds the same reservation. It fails with KindConflict code
// "points_insufficient" when the member has fewer, "member_merged" or
// "member_erased", with KindNotFound code "member_unknown", and with KindInvalid
// as points.Spend does and for an end that is not after its beginning; then
// nothing has changed.
func Reserve(ctx context.Context, s store.Store, wanted store.Reservation) (store.Reservation, error) {
	if !wanted.ExpiresAt.After(wanted.At) {
		return store.Reservation{}, loyalty.Invalid("/expires_seconds", "out_of_range", "a reservation ends after it began")
	}
	wanted.Kind = points.FactReserved
	wanted.State = store.ReservationReserved
	// Points that end come from lots, which have to be looked at: a read costs a
	// fraction of what a write does that fails.
	account, err := s.Account(ctx, wanted.Member)
	if err != nil {
		return store.Reservation{}, err
	}
	for range attempts {
		entry, err := points.Spend(wanted.ID, wanted.Points, account.Points(wanted.At))
		if gone := account.Open(); gone != nil {
			err = gone
		}
		if err != nil {
			// A repeat must not be refused for what its first try has taken.
			known, unknown := s.Reservation(ctx, wanted.Member, wanted.ID)
			if loyalty.KindOf(unknown) == loyalty.KindNotFound {
				return store.Reservation{}, err
			}
			return known, unknown
		}
		wanted.Entries = []points.Entry{entry}
		changes, conditions := store.Credit(wanted.Entries, account)
		err = s.Table.Write(ctx, store.Reserve(wanted), store.UpdateAccount(wanted.Member, changes, append(conditions, store.Alive())...))
		if !store.Refused(err) {
			return wanted, err
		}
		if known, ok := store.ReservationRefused(err, 0); ok {
			return known, nil
		}
		if account, err = store.AccountRefused(err, 1, wanted.Member); err != nil {
			return store.Reservation{}, err
		}
	}
	return store.Reservation{}, lostRace()
}

// Commit spends what a reservation set aside. A repeat gives the same answer.
// It fails with KindConflict code "reservation_closed" when the points were
// given back, or the reservation's time is over at now.
func Commit(ctx context.Context, s store.Store, member loyalty.MemberID, id string, now time.Time) (store.Reservation, error) {
	reservation, err := s.Reservation(ctx, member, id)
	if err != nil || reservation.State == store.ReservationCommitted {
		return reservation, err
	}
	if reservation.State != store.ReservationReserved || !now.Before(reservation.ExpiresAt) {
		return store.Reservation{}, reservationClosed()
	}
	err = s.Table.Write(ctx, store.CloseReservation(reservation, store.ReservationCommitted))
	if store.Refused(err) { // somebody closed it meanwhile
		reservation, err = s.Reservation(ctx, member, id)
		if err == nil && reservation.State != store.ReservationCommitted {
			return store.Reservation{}, reservationClosed()
		}
		return reservation, err
	}
	reservation.State = store.ReservationCommitted
	return reservation, err
}

// Cancel gives back what a reservation set aside. A repeat gives the same
// answer. It fails with KindConflict code "reservation_committed" when the
// points are spent.
func Cancel(ctx context.Context, s store.Store, member loyalty.MemberID, id string, now time.Time) (store.Reservation, error) {
	for range attempts {
		reservation, err := s.Reservation(ctx, member, id)
		if err != nil || reservation.State == store.ReservationCancelled {
			return reservation, err
		}
		if reservation.State == store.ReservationCommitted {
			return store.Reservation{}, loyalty.Refuse(loyalty.KindConflict, "reservation_committed", "the points of this reservation are spent")
		}
		account, err := s.Account(ctx, member)
		if err != nil {
			return store.Reservation{}, err
		}
		grace, err := graceOf(ctx, s, reservation, now)
		if err != nil {
			return store.Reservation{}, err
		}
		fact := points.Fact{
			Kind: points.FactReturned, At: now, Member: member,
			Entries: []points.Entry{points.Return(id, reservation.Entries[0], grace, account.Points(now))},
		}
		changes, conditions := store.Credit(fact.Entries, account)
		err = s.Table.Write(ctx,
			store.CloseReservation(reservation, store.ReservationCancelled),
			store.ReturnPoints(reservation, fact),
			store.UpdateAccount(member, changes, conditions...))
		if store.Refused(err) {
			continue
		}
		reservation.State = store.ReservationCancelled
		return reservation, err
	}
	return store.Reservation{}, lostRace()
}

// Expire cancels a reservation whose time is over at now; one that was closed
// meanwhile is left as it is.
func Expire(ctx context.Context, s store.Store, key table.Key, now time.Time) (bool, error) {
	member, id, ok := table.ReservationOf(key)
	if !ok {
		return false, nil
	}
	reservation, err := s.Reservation(ctx, member, id)
	if err != nil || reservation.State != store.ReservationReserved || now.Before(reservation.ExpiresAt) {
		return false, err
	}
	_, err = Cancel(ctx, s, member, id, now)
	if loyalty.KindOf(err) == loyalty.KindConflict {
		return false, nil // spent at the last moment
	}
	return err == nil, err
}

// graceOf is until when points are good that a reservation gives back after
// their end.
func graceOf(ctx context.Context, s store.Store, reservation store.Reservation, now time.Time) (time.Time, error) {
	ended := slices.ContainsFunc(reservation.Entries[0].Lots, func(share points.Share) bool { return !share.Until.After(now) })
	if !ended {
		return time.Time{}, nil
	}
	versions, err := s.Programs(ctx)
	return graceAt(versions, now), err
}

// graceAt is until when points are good that come back at a time after their end.
func graceAt(versions []program.Program, now time.Time) time.Time {
	grace := now.Add(time.Duration(program.At(versions, now).Points.ReturnGraceDays) * 24 * time.Hour)
	return grace.Add(time.Minute - 1).Truncate(time.Minute)
}
