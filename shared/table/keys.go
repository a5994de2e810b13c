package table

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Every key of the table is made here and nowhere else. A key is a tag, then
// its parts, joined by "#". Parts come from outside (order numbers, buyer
// ids), so they are escaped: two different lists of parts never make one key.

// Index is a global secondary index, sparse: it holds the items that have both
// of its attributes.
type Index struct {
	Name     string
	PK, SK   string // attribute names; both hold strings
	KeysOnly bool   // projects the keys alone; false projects all attributes
}

// The indexes. They are eventually consistent: what they name is read again,
// strongly, before anything is done about it.
const (
	// IndexMember lists what a member's history holds, newest last: facts of
	// their orders and cards they redeemed. It also lists, by their state, red
	// packets, gifts, held cards and whatever else waits for a person, and members
	// by when they joined.
	IndexMember = "member"
	// IndexRemind lists the accounts that want to be looked at by
	// remindrepurchase, by time. It is a wake-up call, never later than the
	// member's next due date, and often earlier; one that rides on their other
	// call is not listed.
	IndexRemind = "remind"
	// IndexSettle is the same for settlepoints.
	IndexSettle = "settle"
)

// Indexes declares them to every engine and, by a test, to template.yaml.
var Indexes = []Index{
	{Name: IndexMember, PK: "mpk", SK: "msk"},
	{Name: IndexRemind, PK: "rpk", SK: "rsk", KeysOnly: true},
	{Name: IndexSettle, PK: "spk", SK: "ssk", KeysOnly: true},
}

// ExpiresAttribute is the table's TTL attribute, in Unix seconds. It cleans
// up; it never decides whether something is still valid.
const ExpiresAttribute = "expires"

// RosterShards is into how many partitions the list of all members is cut, and
// so into how many parallel shards a campaign is.
const RosterShards = 64

// ErasedShard is one more shard of that list, before the others: who was erased
// (注销), and is no member of any audience. Only sums over the ledger walk it.
const ErasedShard = -1

// WakeShards is into how many partitions the wake-up indexes are cut.
const WakeShards = 16

// AccountKey is the member's account: counters, consents, what they last
// bought.
func AccountKey(member loyalty.MemberID) Key { return Key{join("M", string(member)), "A"} }

// ReservationKey is points that a member set aside to spend.
func ReservationKey(member loyalty.MemberID, id string) Key {
	return Key{join("M", string(member)), join("V", id)}
}

// AdjustmentKey is an operator's correction of a member's points, proposed or
// made.
func AdjustmentKey(member loyalty.MemberID, id string) Key {
	return Key{join("M", string(member)), join("J", id)}
}

// AloneKey counts what one operator did alone on a day of the brand's calendar,
// "2026-11-21".
func AloneKey(operator, day string) Key { return Key{join("S", operator), join("D", day)} }

// OpeningKey is what a member brought along from an old system.
func OpeningKey(member loyalty.MemberID, source string) Key {
	return Key{join("M", string(member)), join("B", source)}
}

// CheckInKey is the one check-in of a member on a date of the brand's calendar,
// "2026-11-21".
func CheckInKey(member loyalty.MemberID, day string) Key {
	return Key{join("M", string(member)), CheckInPrefix + day}
}

// CheckInPrefix begins the sort keys of a member's check-ins, in the order of
// their dates.
const CheckInPrefix = "D#"

// ReturnKey is the fact that a reservation's points were given back.
func ReturnKey(member loyalty.MemberID, id string) Key {
	return Key{join("M", string(member)), join("V", id, "R")}
}

// BackKey is the fact that points which a reservation spent came back by an
// operator's act, by the id of the act.
func BackKey(member loyalty.MemberID, reservation, act string) Key {
	return Key{join("M", string(member)), join("V", reservation, "R", act)}
}

// EndedKey is the fact that lots of a member's points ended, by how often their
// lots had changed before.
func EndedKey(member loyalty.MemberID, seen int64) Key {
	return Key{join("M", string(member)), fmt.Sprintf("E#%09d", seen)}
}

// MergeKey is the fact that a member's account took in another's, or let it go,
// by the id of the act.
func MergeKey(member, part loyalty.MemberID, id string) Key {
	return Key{join("M", string(member)), join("G", string(part), id)}
}

// MirrorKey is what the nth fact of an order's log did to a member whose part
// the order's owner is.
func MirrorKey(member, part loyalty.MemberID, order loyalty.OrderKey, seq int) Key {
	return Key{
		join("M", string(member)),
		join("G", string(part), string(order.Channel), order.Shop, order.Order, fmt.Sprintf("%06d", seq)),
	}
}

// ReservationPrefix begins the sort keys of a member's reservations and of what
// they gave back.
const ReservationPrefix = "V#"

// TierKey is the fact that a member's tier changed at a time, by how often the
// growth that counts or the tier had changed before. The number alone tells the
// changes apart: several causes may change the tier within one second.
func TierKey(member loyalty.MemberID, at time.Time, grown int64) Key {
	return Key{join("M", string(member)), join("T", Instant(at), fmt.Sprint(grown))}
}

// ReservationOf reads whose reservation a key is, and its id; false for the
// key of anything else.
func ReservationOf(key Key) (member loyalty.MemberID, id string, ok bool) {
	owner, isMember := strings.CutPrefix(key.PK, "M#")
	name, isReservation := strings.CutPrefix(key.SK, "V#")
	if !isMember || !isReservation || strings.Contains(name, "#") {
		return "", "", false
	}
	return loyalty.MemberID(unescaper.Replace(owner)), unescaper.Replace(name), true
}

// MemberOfAccount reads the member out of an account's key; false for the key
// of anything else.
func MemberOfAccount(key Key) (loyalty.MemberID, bool) {
	id, found := strings.CutPrefix(key.PK, "M#")
	return loyalty.MemberID(unescaper.Replace(id)), found && key.SK == "A"
}

// CouponKey is the one coupon that a trigger (a campaign's occurrence, a card)
// gives a member.
func CouponKey(member loyalty.MemberID, trigger string) Key {
	return Key{join("M", string(member)), join("C", trigger)}
}

// CouponPrefix begins the sort keys of a member's coupons.
const CouponPrefix = "C#"

// ClaimKey is a member's claim of an order.
func ClaimKey(member loyalty.MemberID, order loyalty.OrderKey) Key {
	return Key{join("M", string(member)), join("O", string(order.Channel), order.Shop, order.Order)}
}

// ClaimPrefix begins the sort keys of a member's claims.
const ClaimPrefix = "O#"

// FailuresKey counts a member's claims that were refused in one UTC hour.
func FailuresKey(member loyalty.MemberID, at time.Time) Key {
	return Key{join("M", string(member)), join("L", at.UTC().Format("2006-01-02T15"))}
}

// EarnedKey counts what a member earned with the orders that they paid on one
// day, written "2026-11-18", by the brand's calendar.
func EarnedKey(member loyalty.MemberID, day string) Key {
	return Key{join("M", string(member)), join("Y", day)}
}

// FactKey is the nth fact of an order's log, from 1. Facts are only ever
// appended, each under the condition that its number is free: that makes the
// log of one order a queue with one writer at a time.
func FactKey(order loyalty.OrderKey, seq int) Key {
	return Key{join("O", string(order.Channel), order.Shop, order.Order), "F#" + numbered(seq, 6)}
}

// FactPrefix begins the sort keys of an order's facts.
const FactPrefix = "F#"

// IdentityKey says whose an identity is.
func IdentityKey(identity loyalty.Identity) Key {
	return Key{join("I", string(identity.Kind), string(identity.Channel), identity.Value), "A"}
}

// WaitingKey marks an order that waits until somebody owns the identity.
func WaitingKey(identity loyalty.Identity, order loyalty.OrderKey) Key {
	return Key{IdentityKey(identity).PK, join("W", string(order.Channel), order.Shop, order.Order)}
}

// WaitingPrefix begins the sort keys of the orders that wait for an identity.
const WaitingPrefix = "W#"

// RosterKey lists the member among all members.
func RosterKey(member loyalty.MemberID) Key {
	return Key{RosterPK(shard(string(member), RosterShards)), string(member)}
}

// ErasedKey lists the member among those who were erased.
func ErasedKey(member loyalty.MemberID) Key { return Key{RosterPK(ErasedShard), string(member)} }

// RosterPK is one shard of the list of all members, or ErasedShard.
func RosterPK(shard int) string {
	if shard == ErasedShard {
		return "R#E"
	}
	return fmt.Sprintf("R#%02d", shard)
}

// WakePK is the shard of a wake-up index that a member belongs to.
func WakePK(member loyalty.MemberID) string { return ShardPK(shard(string(member), WakeShards)) }

// ShardPK is the nth shard of a wake-up index.
func ShardPK(shard int) string { return "D#" + numbered(shard, 2) }

// Instant writes a time so that byte order is time order, to the second.
func Instant(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// MemberPK is the member's partition of IndexMember.
func MemberPK(member loyalty.MemberID) string { return join("M", string(member)) }

// HistorySK orders what concerns a member by time, and tells apart what
// happened in one second.
func HistorySK(at time.Time, item Key) string { return Instant(at) + item.PK + item.SK }

// Kinds of documents that operators write.
const (
	DocumentBatch    = "batch"
	DocumentTemplate = "template"
	DocumentAudience = "audience"
	DocumentCampaign = "campaign"
	DocumentOperator = "operator"
)

// DocumentKey is one document of a kind that operators write and list.
func DocumentKey(kind, id string) Key { return Key{DocumentPK(kind), id} }

// DocumentPK lists the documents of a kind.
func DocumentPK(kind string) string { return join("K", kind) }

// CardShards is into how many partitions the redeemed cards of a batch are
// cut. It bounds how fast one batch can be redeemed, 500 cards a second and
// shard (a partition takes 1,000 write units), and how many queries list it.
const CardShards = 16

// CardKey is a card that somebody has redeemed, or that was closed when its
// batch came to its end, one of its batch's in order of the serial. A card that nobody touched has no item: its signature and its
// batch say all about it. A partition holds many cards, so whatever else is
// kept of one has a sort key that begins with this one's and "#".
func CardKey(batch string, serial int64) Key {
	return Key{CardPK(batch, int(serial%CardShards)), fmt.Sprintf("%07d", serial)}
}

// IsCard tells the key of a redeemed card from every other.
func IsCard(key Key) bool { return strings.HasPrefix(key.PK, "C#") }

// GuessesKey counts the wrong codes of one caller in a window of time that
// began then.
func GuessesKey(caller string, from time.Time) Key { return Key{join("L", caller, Instant(from)), "A"} }

// LookupsKey counts how often an operator looked members up in one hour of UTC.
func LookupsKey(operator string, at time.Time) Key {
	return Key{join("L", "lookup", operator, at.UTC().Format("2006-01-02T15")), "A"}
}

// PersonRunKey counts the prizes that one person redeemed in a window of time that
// began then.
func PersonRunKey(person string, from time.Time) Key {
	return Key{join("L", person, Instant(from)), "R"}
}

// HoldKey is the hold of a redeemed card.
func HoldKey(batch string, serial int64) Key {
	key := CardKey(batch, serial)
	key.SK += "#H"
	return key
}

// HoldsPK is the holds in a state, in IndexMember: those that were appealed
// against, or the others. They are few, so a state is one partition, in the order
// of time.
func HoldsPK(state string, appealed bool) string {
	if appealed {
		return join("H", state, "A")
	}
	return join("H", state)
}

// ListShards is into how many partitions of IndexMember each list is cut that
// grows as fast as a brand sells: each takes 1,000 changes a second. Such a list
// is read newest first, from all of them.
const ListShards = 8

// JoinedPK is one shard of the members by when they joined.
func JoinedPK(shard int) string { return join("R", "J", fmt.Sprint(shard)) }

// OfNobodyPK is one shard of the orders that nobody owns, by when the first of
// what was heard of them happened.
func OfNobodyPK(shard int) string { return join("O", "N", fmt.Sprint(shard)) }

// WaitingClaimsPK is one shard of the claims of orders that wait, by when they
// were made.
func WaitingClaimsPK(shard int) string { return join("O", "C", fmt.Sprint(shard)) }

// ListShard is the shard of an id in such a list.
func ListShard(id string) int { return shard(id, ListShards) }

// WaitingAdjustmentsPK lists, in IndexMember, the corrections that wait for a
// second operator. They are few.
func WaitingAdjustmentsPK() string { return join("J", "waiting") }

// CardFriendKey is the friend whom a card brought.
func CardFriendKey(batch string, serial int64) Key {
	key := CardKey(batch, serial)
	key.SK += "#F"
	return key
}

// CardClaimsKey is the claims of orders that were made on a card's page.
func CardClaimsKey(batch string, serial int64) Key { return ClaimsOfCard(CardKey(batch, serial)) }

// ClaimsOfCard is the same of a card that is named by its key.
func ClaimsOfCard(card Key) Key { return Key{card.PK, card.SK + "#O"} }

// FriendFactKey is the nth fact of the log of one WeCom contact (外部联系人),
// from 1; see FactKey.
func FriendFactKey(external string, seq int) Key {
	return Key{join("F", external), fmt.Sprintf("E#%06d", seq)}
}

// FriendFactPrefix begins the sort keys of a contact's facts.
const FriendFactPrefix = "E#"

// FriendFactSeq is the number that a contact's fact has in its log, 0 for a key
// of anything else.
func FriendFactSeq(key Key) int {
	seq, err := strconv.Atoi(strings.TrimPrefix(key.SK, FriendFactPrefix))
	if err != nil {
		return 0
	}
	return seq
}

// FriendTallyShards is into how many items the count of one cohort of friends
// is cut.
const FriendTallyShards = 4

// FriendTallyKey counts the friends whom one arm's cards of a batch brought on
// one day; which of its shards, the contact says.
func FriendTallyKey(batch, day string, arm int, external string) Key {
	return Key{FriendTallyPK(batch), join("F", day, fmt.Sprint(arm), fmt.Sprint(shard(external, FriendTallyShards)))}
}

// FriendTallyPK lists the counts of a batch's friends by day.
func FriendTallyPK(batch string) string { return join("B", batch) }

// CardPK is one shard of the redeemed cards of a batch.
func CardPK(batch string, shard int) string { return join("C", batch, fmt.Sprintf("%02d", shard)) }

// PrizeShards is into how many partitions of IndexMember a state of red packets
// or gifts is cut: each takes 1,000 changes a second.
const PrizeShards = 4

// PayoutKey is the payout of a card's red packet, in partitions of their own, so
// that whoever pays needs no right to a card.
func PayoutKey(batch string, serial int64) Key {
	return Key{join("Y", batch, fmt.Sprintf("%02d", serial%CardShards)), fmt.Sprintf("%07d", serial)}
}

// PayoutsPK is one shard of the payouts in a state, in IndexMember.
func PayoutsPK(state string, shard int) string { return join("Y", state, fmt.Sprint(shard)) }

// GiftKey is the gift that a card gave a member.
func GiftKey(member loyalty.MemberID, id string) Key {
	return Key{join("M", string(member)), join("P", id)}
}

// GiftPrefix begins the sort keys of a member's gifts.
const GiftPrefix = "P#"

// GiftsPK is one shard of the gifts in a state, in IndexMember.
func GiftsPK(state string, shard int) string { return join("G", state, fmt.Sprint(shard)) }

// PrizeShard is the shard of the states of a prize.
func PrizeShard(id string) int { return shard(id, PrizeShards) }

// RefusedKey is an input that is kept for a person (待人工处理), without its
// content.
func RefusedKey(id string) Key { return Key{join("U", id), "A"} }

// RefusedContentKey is the content of such an input. It stands apart, so that
// counting and listing cost nothing for it.
func RefusedContentKey(id string) Key { return Key{join("U", id), "C"} }

// RefusedHourKey counts the inputs that came to be kept in one hour of UTC.
func RefusedHourKey(at time.Time) Key {
	return Key{join("U", "hour", at.UTC().Format("2006-01-02T15")), "N"}
}

// RefusedPK is the kept inputs in a state, in IndexMember: they are few, so a
// state is one partition, in the order of time.
func RefusedPK(state string) string { return join("U", state) }

// RefusedOfIdentityKey marks a kept input in whose content an identity stands.
func RefusedOfIdentityKey(identity loyalty.Identity, id string) Key {
	return Key{IdentityKey(identity).PK, join("U", id)}
}

// RefusedOfOrderKey marks a kept input that concerns an order.
func RefusedOfOrderKey(order loyalty.OrderKey, id string) Key {
	return Key{FactKey(order, 1).PK, join("U", id)}
}

// RefusedPrefix begins the sort keys of both marks.
const RefusedPrefix = "U#"

// RefusedOf reads the id of a kept input out of its key or a mark's; "" out of
// the key of anything else.
func RefusedOf(key Key) string {
	if id, found := strings.CutPrefix(key.SK, RefusedPrefix); found {
		return unescaper.Replace(id)
	}
	id, _ := strings.CutPrefix(key.PK, "U#")
	return unescaper.Replace(id)
}

// BudgetKey counts what a coupon template has given away.
func BudgetKey(template string) Key { return Key{join("Q", template), "A"} }

// IssuesKey counts the writes in which campaigns issued coupons of a template to
// the members of one shard of the list of all members.
func IssuesKey(template string, shard int) Key {
	return Key{BudgetKey(template).PK, join("S", numbered(shard, 2))}
}

// LeaseKey is the part of a budget that one page of a campaign's occurrence
// holds while it issues coupons.
func LeaseKey(template, campaign, occurrence, page string) Key {
	return Key{join("Q", template), join("L", campaign, occurrence, page)}
}

// RunKey is one occurrence of a campaign that was run: the terms it was frozen
// with, and what came of it.
func RunKey(campaign, occurrence string) Key {
	return Key{join("N", campaign), join("R", occurrence)}
}

// ProgramKey is one version of the brand's rules, from 1.
func ProgramKey(version int64) Key { return Key{ProgramPK, fmt.Sprintf("V#%09d", version)} }

// ProgramPK lists the versions of the brand's rules.
const ProgramPK = "P"

// TokenKey finds an operator by the hash of their token.
func TokenKey(hash string) Key { return Key{join("T", hash), "A"} }

// AuditShards is into how many partitions a month of the audit log is cut: each
// takes 1,000 acts a second, and a page of the log reads all of a month's.
const AuditShards = 8

// AuditKey is one act of an operator (操作日志), put once and never deleted. The
// log is read newest first: the shards of a month, each in the order of AuditSK.
func AuditKey(at time.Time, id string) Key {
	return Key{AuditPK(at, shard(id, AuditShards)), AuditSK(at, id)}
}

// AuditPK is one shard of the acts of a month, in UTC.
func AuditPK(month time.Time, shard int) string {
	return join("A", month.UTC().Format("2006-01"), fmt.Sprint(shard))
}

// AuditSK orders acts by time, to the microsecond, and tells apart those of one
// instant. With no id it stands before all acts of the instant.
func AuditSK(at time.Time, id string) string {
	return join(at.UTC().Format("2006-01-02T15:04:05.000000Z"), id)
}

// RequestKey remembers the answer to an Idempotency-Key of one caller.
func RequestKey(caller, key string) Key { return Key{join("X", caller, key), "A"} }

var escaper = strings.NewReplacer("%", "%25", "#", "%23")

var unescaper = strings.NewReplacer("%25", "%", "%23", "#")

func join(tag string, parts ...string) string {
	size := len(tag)
	for _, part := range parts {
		size += 1 + len(part)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(tag)
	for _, part := range parts {
		b.WriteByte('#')
		if strings.ContainsAny(part, "%#") {
			part = escaper.Replace(part)
		}
		b.WriteString(part)
	}
	return b.String()
}

// numbered writes a number so that byte order is its order, up to a width.
func numbered(n, width int) string {
	digits := strconv.Itoa(n)
	return strings.Repeat("0", max(0, width-len(digits))) + digits
}

func shard(id string, shards uint32) int {
	h := fnv.New32a()
	h.Write([]byte(id))
	return int(h.Sum32() % shards)
}
