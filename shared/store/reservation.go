package store

import (
	"context"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Reservation is points that a member set aside to spend. What it took stands
// in its fact and never changes; only its State moves.
type Reservation struct {
	points.Fact                  // FactReserved; At, Member, Entries
	ID          string           `json:"id"`
	Points      loyalty.Points   `json:"points"`
	Reason      string           `json:"reason"`
	ExpiresAt   time.Time        `json:"expires_at"`
	State       ReservationState `json:"-"`
}

// ReservationState is where a reservation stands. It leaves
// ReservationReserved once and never comes back.
type ReservationState string

// The states of a reservation.
const (
	ReservationReserved  ReservationState = "reserved"
	ReservationCommitted ReservationState = "committed" // spent
	ReservationCancelled ReservationState = "cancelled" // given back, on request or by time-out
)

const reservationState = "state"

// Reservation reads one reservation; KindNotFound code "reservation_unknown".
func (s Store) Reservation(ctx context.Context, member loyalty.MemberID, id string) (Reservation, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.ReservationKey(member, id))
	if err != nil {
		return Reservation{}, err
	}
	if items[0] == nil {
		return Reservation{}, loyalty.Refuse(loyalty.KindNotFound, "reservation_unknown", notThere)
	}
	return readReservation(*items[0])
}

func readReservation(item table.Item) (Reservation, error) {
	reservation, err := decode[Reservation](item)
	reservation.State = ReservationState(item.Text(reservationState))
	return reservation, err
}

// Reserve puts a reservation under the condition that its id is free. While it
// is open it wakes settlepoints at its end.
func Reserve(reservation Reservation) table.Action {
	item := documentItem(table.ReservationKey(reservation.Member, reservation.ID), reservation)
	item.Attributes[reservationState] = table.String(string(ReservationReserved))
	item.Attributes["mpk"] = table.String(table.MemberPK(reservation.Member))
	item.Attributes["msk"] = table.String(table.HistorySK(reservation.At, item.Key))
	item.Attributes[WakeSettle.pk] = table.String(table.WakePK(reservation.Member))
	item.Attributes[WakeSettle.sk] = table.String(table.Instant(reservation.ExpiresAt))
	return table.Put(item, table.Absent())
}

// CloseReservation moves an open reservation on; its condition fails when it
// is not open any more.
func CloseReservation(reservation Reservation, to ReservationState) table.Action {
	return table.Update(table.ReservationKey(reservation.Member, reservation.ID), []table.Change{
		table.Set(reservationState, table.String(string(to))),
		table.Remove(WakeSettle.pk), table.Remove(WakeSettle.sk),
	}, table.Equals(reservationState, table.String(string(ReservationReserved))))
}

// ReturnPoints puts the fact that a reservation's points were given back.
func ReturnPoints(reservation Reservation, fact points.Fact) table.Action {
	item := documentItem(table.ReturnKey(reservation.Member, reservation.ID), Record{Fact: fact})
	item.Attributes["mpk"] = table.String(table.MemberPK(reservation.Member))
	item.Attributes["msk"] = table.String(table.HistorySK(fact.At, item.Key))
	return table.Put(item, table.Absent())
}

// ReservationRefused reads the reservation that stood in the way of Reserve at
// the position of a write that was refused; false when something else did.
func ReservationRefused(err error, action int) (Reservation, bool) {
	old := refusedAt(err, action)
	if old == nil {
		return Reservation{}, false
	}
	reservation, err := readReservation(*old)
	return reservation, err == nil
}

// EndLots puts the fact that lots ended; seen tells it from every other of the
// member.
func EndLots(fact points.Fact, seen int64) table.Action {
	item := documentItem(table.EndedKey(fact.Member, seen), Record{Fact: fact})
	item.Attributes["mpk"] = table.String(table.MemberPK(fact.Member))
	item.Attributes["msk"] = table.String(table.HistorySK(fact.At, item.Key))
	return table.Put(item, table.Absent())
}
