package store

import (
	"context"

	"github.com/huitou/huitou/shared/coupons"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// PutCoupon gives a member a coupon; the condition fails when the trigger gave
// them one before. It takes nothing from the template's budget: a campaign
// reserves that with OpenLease, a card's prizes are counted by its batch.
func PutCoupon(coupon coupons.Coupon) table.Action {
	return table.Put(documentItem(table.CouponKey(coupon.Member, coupon.Trigger), coupon), table.Absent())
}

// Coupons is one page of a member's coupons, in no order that means anything.
func (s Store) Coupons(ctx context.Context, member loyalty.MemberID, limit int, cursor string) ([]coupons.Coupon, string, error) {
	return documents[coupons.Coupon](ctx, s.Table, table.Query{
		PK: table.AccountKey(member).PK, Prefix: table.CouponPrefix, Limit: limit, Cursor: cursor, Consistency: table.Strong,
	})
}

// CouponsOf reads, strongly, the coupons of a template that the members hold or
// held.
func (s Store) CouponsOf(ctx context.Context, template string, members ...loyalty.MemberID) ([]coupons.Coupon, error) {
	var of []coupons.Coupon
	for _, member := range members {
		for cursor, more := "", true; more; more = cursor != "" {
			page, next, err := s.Coupons(ctx, member, 1000, cursor)
			if err != nil {
				return nil, err
			}
			for _, coupon := range page {
				if coupon.Template == template {
					of = append(of, coupon)
				}
			}
			cursor = next
		}
	}
	return of, nil
}

// CouponByCode finds a coupon by its code, however it is written;
// KindNotFound code "coupon_unknown". A text that is not a code costs no read.
func (s Store) CouponByCode(ctx context.Context, raw string) (coupons.Coupon, error) {
	unknown := loyalty.Refuse(loyalty.KindNotFound, "coupon_unknown", "there is no such coupon")
	member, code, ok := coupons.ParseCode(raw)
	if !ok {
		return coupons.Coupon{}, unknown
	}
	cursor := ""
	for {
		page, next, err := s.Coupons(ctx, member, 1000, cursor)
		if err != nil {
			return coupons.Coupon{}, err
		}
		for _, coupon := range page {
			if coupon.Code == code {
				return coupon, nil
			}
		}
		if next == "" {
			return coupons.Coupon{}, unknown
		}
		cursor = next
	}
}

// HaveCoupon tells which of the members the trigger gave a coupon already, in
// one round trip for each 100.
func (s Store) HaveCoupon(ctx context.Context, trigger string, members []loyalty.MemberID) ([]bool, error) {
	have := make([]bool, 0, len(members))
	for len(members) > 0 {
		n := min(len(members), table.MaxKeys)
		keys := make([]table.Key, n)
		for i, member := range members[:n] {
			keys[i] = table.CouponKey(member, trigger)
		}
		items, err := s.Table.Get(ctx, table.Strong, keys...)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			have = append(have, item != nil)
		}
		members = members[n:]
	}
	return have, nil
}
