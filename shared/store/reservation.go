package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/points"
	"github.com/huitou/huitou/shared/table"
)

// Reservation is points that a member set aside to spend. The points that it
// took stand in its fact and never change; only its State moves, and Returned
// after that.
type Reservation struct {
	points.Fact                  // FactReserved; At, Member, Entries
	ID          string           `json:"id"`
	Points      loyalty.Points   `json:"points"`
	Reason      string           `json:"reason"`
	ExpiresAt   time.Time        `json:"expires_at"`
	State       ReservationState `json:"-"`
	// Order is the order that committed it; nil for none, and while it is open.
	Order *loyalty.OrderKey `json:"-"`
	// Returned is what of Points came back after it was committed, from 0 to Points.
	Returned loyalty.Points `json:"-"`
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

const (
	reservationState    = "state"
	reservationOrder    = "order"
	reservationReturned = "returned"
)

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
	if err != nil {
		return Reservation{}, err
	}
	reservation.State = ReservationState(item.Text(reservationState))
	reservation.Returned = loyalty.Points(item.Int(reservationReturned))
	if text := item.Text(reservationOrder); text != "" {
		reservation.Order = &loyalty.OrderKey{}
		if err := json.Unmarshal([]byte(text), reservation.Order); err != nil {
			return Reservation{}, &loyalty.Error{Kind: loyalty.KindInternal, Code: "item_malformed", Cause: err}
		}
	}
	return reservation, nil
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

// CommitToOrder moves an open reservation on to ReservationCommitted, by an order
// whose refunds give back so many of its points at once.
func CommitToOrder(reservation Reservation, order loyalty.OrderKey, returned loyalty.Points) table.Action {
	action := CloseReservation(reservation, ReservationCommitted)
	action.Changes = append(action.Changes, table.Set(reservationOrder, encode(order)))
	if returned > 0 {
		action.Changes = append(action.Changes, table.Add(reservationReturned, int64(returned)))
	}
	return action
}

// CountBack counts points that refunds of its order give back of a reservation.
func CountBack(member loyalty.MemberID, id string, amount loyalty.Points) table.Action {
	return table.Update(table.ReservationKey(member, id), []table.Change{table.Add(reservationReturned, int64(amount))}, table.Exists())
}

// GiveBack counts points that an operator's act gives back of a reservation that
// no order committed, as it was read.
func GiveBack(reservation Reservation, amount loyalty.Points) table.Action {
	return table.Update(table.ReservationKey(reservation.Member, reservation.ID),
		[]table.Change{table.Add(reservationReturned, int64(amount))},
		table.Equals(reservationState, table.String(string(ReservationCommitted))), table.Missing(reservationOrder),
		counterStands(reservationReturned, int64(reservation.Returned)))
}

// PutBack puts the fact that an act gave points of a reservation back, under the
// condition that it did not before. fact is that of the member, or of the member
// whose part they are.
func PutBack(reservation, act string, fact points.Fact) table.Action {
	return table.Put(ownItem(table.BackKey(fact.Member, reservation, act), Record{Fact: fact}), table.Absent())
}

// GaveBack tells whether an act gave points of a reservation back.
func (s Store) GaveBack(ctx context.Context, member loyalty.MemberID, reservation, act string) (bool, error) {
	items, err := s.Table.Get(ctx, table.Strong, table.BackKey(member, reservation, act))
	return err == nil && items[0] != nil, err
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
