package table_test

import (
	"strings"
	"testing"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// The items listed of a member by a prefix are of one kind alone: one who reads
// a page of their gifts must not come upon their mergers.
func TestAPrefixListsOneKind(t *testing.T) {
	const member = loyalty.MemberID("m")
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	order := loyalty.OrderKey{Channel: "tmall", Shop: "flagship", Order: "1"}
	kinds := map[string]table.Key{
		"account": table.AccountKey(member), "reservation": table.ReservationKey(member, "v"), "return": table.ReturnKey(member, "v"), "back": table.BackKey(member, "v", "a"),
		"adjustment": table.AdjustmentKey(member, "j"), "opening": table.OpeningKey(member, "crm"), "check-in": table.CheckInKey(member, "2026-11-21"),
		"ended": table.EndedKey(member, 1), "merge": table.MergeKey(member, "p", "id"), "mirror": table.MirrorKey(member, "p", order, 1),
		"tier": table.TierKey(member, at, 1), "coupon": table.CouponKey(member, "card:K-00001:1"), "claim": table.ClaimKey(member, order),
		"failures": table.FailuresKey(member, at), "earned": table.EarnedKey(member, "2026-11-21"), "gift": table.GiftKey(member, "K-00001-0000001"),
	}
	for prefix, want := range map[string][]string{
		table.ReservationPrefix: {"reservation", "return", "back"}, table.CheckInPrefix: {"check-in"}, table.CouponPrefix: {"coupon"},
		table.ClaimPrefix: {"claim"}, table.GiftPrefix: {"gift"},
	} {
		wanted := map[string]bool{}
		for _, kind := range want {
			wanted[kind] = true
		}
		for kind, key := range kinds {
			if got := strings.HasPrefix(key.SK, prefix); got != wanted[kind] {
				t.Errorf("%q lists a %s (%s): %v", prefix, kind, key.SK, got)
			}
		}
	}
}
