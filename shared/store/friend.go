package store

import (
	"context"
	"strconv"
	"strings"

	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/friend"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/table"
)

// Attributes of a contact's fact and of a cohort's count.
const (
	friendWelcome  = "welcome"
	friendExternal = "external"
	cohortDay      = "day"
	cohortArm      = "arm"
	cohortAdded    = "added"
	cohortGone     = "gone:"
)

// FriendRecord is a fact of a contact's log and what became of the greeting,
// the only thing of it that changes.
type FriendRecord struct {
	friend.Fact
	Seq     int
	Welcome friend.Welcome
}

// Friend reads all facts of a contact (外部联系人), strongly and in the order in
// which they became known. While an erasure takes a log away, the first of its
// facts are missing.
func (s Store) Friend(ctx context.Context, external string) ([]FriendRecord, error) {
	var log []FriendRecord
	query := table.Query{PK: table.FriendFactKey(external, 1).PK, Prefix: table.FriendFactPrefix, Limit: 1000, Consistency: table.Strong}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			fact, err := decode[friend.Fact](item)
			if err != nil {
				return nil, err
			}
			log = append(log, FriendRecord{Fact: fact, Seq: table.FriendFactSeq(item.Key), Welcome: friend.Welcome(item.Text(friendWelcome))})
		}
		if page.Next == "" {
			return log, nil
		}
		query.Cursor = page.Next
	}
}

// NextFriendSeq is the number that the next fact of a log has: behind the last,
// also where the first were taken away.
func NextFriendSeq(log []FriendRecord) int {
	if len(log) == 0 {
		return 1
	}
	return log[len(log)-1].Seq + 1
}

// AppendFriendFact puts the record of a contact under its number; its condition
// fails when another fact took that.
func AppendFriendFact(external string, record FriendRecord) table.Action {
	item := documentItem(table.FriendFactKey(external, record.Seq), record.Fact)
	if record.Welcome != friend.WelcomeNone {
		item.Attributes[friendWelcome] = table.String(string(record.Welcome))
	}
	return table.Put(item, table.Absent())
}

// EndWelcome records what became of a greeting that was due; its condition
// fails when that is recorded already.
func EndWelcome(external string, seq int, end friend.Welcome) table.Action {
	return table.Update(table.FriendFactKey(external, seq),
		[]table.Change{table.Set(friendWelcome, table.String(string(end)))},
		table.Equals(friendWelcome, table.String(string(friend.WelcomeDue))))
}

// CardFriendLook is what one round trip tells about a card that brought a
// friend.
type CardFriendLook struct {
	Redemption *Redemption      // nil while nobody has redeemed the card
	Friend     string           // the contact whom the card brought, "" for nobody
	Owner      loyalty.MemberID // of the contact's identity, "" for nobody's
}

// wecomChannel is the channel of a contact's identity: one brand is one WeCom
// corporation (企业), to whose applications the id belongs.
const wecomChannel loyalty.Channel = "wecom"

// WeComIdentity is the identity that a contact is to a member.
func WeComIdentity(external string) loyalty.Identity {
	return loyalty.Identity{Kind: loyalty.IdentityWeCom, Channel: wecomChannel, Value: external}
}

// LookAtCardFriend reads strongly the card, its friend and the owner of the
// contact's identity.
func (s Store) LookAtCardFriend(ctx context.Context, code cards.Code, external string) (CardFriendLook, error) {
	items, err := s.Table.Get(ctx, table.Strong, cardKey(code), cardFriendKey(code), table.IdentityKey(WeComIdentity(external)))
	if err != nil {
		return CardFriendLook{}, err
	}
	look := CardFriendLook{Owner: owner(items[2])}
	if look.Redemption, _, err = readCard(items[0]); err != nil {
		return CardFriendLook{}, err
	}
	if items[1] != nil {
		look.Friend = items[1].Text(friendExternal)
	}
	return look, nil
}

func cardFriendKey(code cards.Code) table.Key {
	return table.CardFriendKey(code.BatchID(), int64(code.Card))
}

// TieFriend makes the contact the one whom the card brought; its condition
// fails when it brought somebody.
func TieFriend(code cards.Code, external string) table.Action {
	return table.Put(table.Item{
		Key: cardFriendKey(code), Attributes: map[string]table.Value{friendExternal: table.String(external)},
	}, table.Absent())
}

// CountFriends adds a contact's difference to the cohorts' counts.
func CountFriends(external string, difference map[friend.Cohort]friend.Tally) []table.Action {
	var actions []table.Action
	for cohort, tally := range difference {
		changes := []table.Change{
			table.Set(cohortDay, table.String(cohort.Day)), table.Set(cohortArm, table.Number(int64(cohort.Arm))),
		}
		if tally.Added != 0 {
			changes = append(changes, table.Add(cohortAdded, tally.Added))
		}
		for days, n := range tally.Gone {
			changes = append(changes, table.Add(cohortGone+strconv.Itoa(days), n))
		}
		actions = append(actions, table.Update(table.FriendTallyKey(cohort.Batch, cohort.Day, cohort.Arm, external), changes))
	}
	return actions
}

// FriendCohorts reads the counts of a batch's friends, one line for each part
// of a cohort. They may lag behind by a moment.
func (s Store) FriendCohorts(ctx context.Context, batch string) ([]friend.Cohort, []friend.Tally, error) {
	var cohorts []friend.Cohort
	var tallies []friend.Tally
	query := table.Query{PK: table.FriendTallyPK(batch), Limit: 1000, Consistency: table.Eventual}
	for {
		page, err := s.Table.Query(ctx, query)
		if err != nil {
			return nil, nil, err
		}
		for _, item := range page.Items {
			tally := friend.Tally{Added: item.Int(cohortAdded), Gone: map[int]int64{}}
			for name, value := range item.Attributes {
				days, isGone := strings.CutPrefix(name, cohortGone)
				if !isGone {
					continue
				}
				n, err := strconv.Atoi(days)
				if err != nil {
					return nil, nil, malformed("cohort", err)
				}
				tally.Gone[n] = value.Int()
			}
			cohorts = append(cohorts, friend.Cohort{Batch: batch, Arm: int(item.Int(cohortArm)), Day: item.Text(cohortDay)})
			tallies = append(tallies, tally)
		}
		if page.Next == "" {
			return cohorts, tallies, nil
		}
		query.Cursor = page.Next
	}
}
