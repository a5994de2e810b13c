package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/repurchase"
	"github.com/huitou/huitou/shared/table"
)

// Reminded is what became of the reminder for the purchase made at Bought.
type Reminded struct {
	Bought  time.Time
	Outcome string    // one of the outcomes below
	At      time.Time // for OutcomeHandingOver, and what ends one: when the message was decided on
	Program int64     // version of the rules it was decided by
	// First is what else the message was about that it was in, where its id names
	// that: one message speaks of all that is due at once. Zero for one by itself.
	First First
}

// First is the purchase that a message is named by.
type First struct {
	Category string
	Bought   time.Time
}

// Named is the purchase that names the message which the record of a category
// tells of.
func (r Reminded) Named(category string) First {
	if r.First.Category == "" {
		return First{category, r.Bought}
	}
	return r.First
}

// Open tells whether the message may still leave, and leave again.
func (r Reminded) Open() bool {
	return r.Outcome == OutcomeHandingOver || r.Outcome == OutcomeRejected
}

// The outcomes of a reminder. Each is final for its purchase, but for
// OutcomeHandingOver, and for OutcomeRejected when an operator has the message
// delivered again.
const (
	OutcomeSent        = "sent"         // taken by the sender
	OutcomeOptedOut    = "opted_out"    // no consent to marketing, or withdrawn
	OutcomeBoughtAgain = "bought_again" // bought the category again meanwhile
	OutcomeTooLate     = "too_late"     // the goods are used up
	OutcomeRefunded    = "refunded"     // the goods were given back
	OutcomeCapped      = "capped"       // written to so often that the cap has no room before the goods are used up
	OutcomeHistory     = "history"      // bought before the brand came to huitou, imported when the date was past or near
	OutcomeRejected    = "rejected"     // the sender does not take the message
	OutcomeUnanswered  = "unanswered"   // the sender did not answer for as long as it has to remember ids
	// OutcomeHandingOver is decided and not yet answered by the sender, who may
	// have taken it. It counts as a message, and stays due.
	OutcomeHandingOver = "handing_over"
)

// postponed is how an earlier version wrote that a message may not have left.
const postponed = "postponed"

// Purchases lists what the account last bought of each category, by category,
// as the reminder rules look at it.
func (a Account) Purchases() []repurchase.Purchase {
	purchases := make([]repurchase.Purchase, 0, len(a.Bought))
	for _, category := range slices.Sorted(maps.Keys(a.Bought)) {
		if last := a.Bought[category].Last; !last.IsZero() {
			said := a.Reminded[category]
			purchase := repurchase.Purchase{Category: category, At: last, Told: said.settles(last)}
			if said.Bought.Equal(last) && !purchase.Told {
				purchase.Begun = said.At
			}
			purchases = append(purchases, purchase)
		}
	}
	return purchases
}

// settles tells whether the record closes the reminder for a purchase.
func (r Reminded) settles(bought time.Time) bool {
	return r.Bought.Equal(bought) && r.Outcome != OutcomeHandingOver
}

// RecordReminder notes what became of the reminder for a category. The
// condition fails when another outcome was noted since the account was read.
func RecordReminder(account Account, category string, reminded Reminded) (table.Change, table.Condition) {
	name := accountReminded + category
	held := table.Missing(name)
	if was, ok := account.Reminded[category]; ok {
		held = table.Equals(name, table.String(was.text()))
	}
	return table.Set(name, table.String(reminded.text())), held
}

// RecordSent replaces the times of the account's last messages. The condition
// fails when another message was noted since the account was read, so that two
// at once cannot both be the last that a cap allows.
func RecordSent(account Account, sent []time.Time) (table.Change, table.Condition) {
	return table.Set(accountSent, table.String(instants(sent))), SentStands(account)
}

// SentStands holds the times of the account's last messages to those that were
// read.
func SentStands(account Account) table.Condition {
	if len(account.Sent) == 0 {
		return table.Missing(accountSent)
	}
	return table.Equals(accountSent, table.String(instants(account.Sent)))
}

func instants(times []time.Time) string {
	texts := make([]string, len(times))
	for i, at := range times {
		texts[i] = table.Instant(at)
	}
	return strings.Join(texts, " ")
}

// ConsentStands holds a consent to be the one that was read.
func ConsentStands(account Account, consent loyalty.Consent) table.Condition {
	return table.Equals(accountConsent+string(consent), table.String(table.Instant(account.Consents[consent])))
}

// RefundsStand holds that nothing was given back since the account was read.
func RefundsStand(account Account) table.Condition {
	return counterStands(accountRefunded, int64(account.Refunded))
}

// PendingStands holds the pending points to an amount.
func PendingStands(pending loyalty.Points) table.Condition {
	return counterStands(accountPending, int64(pending))
}

// counterStands holds a counter to what was read. An absent one counts as 0,
// and one that came back to 0 is still there.
func counterStands(name string, was int64) table.Condition {
	if was == 0 {
		return table.MissingOrEquals(name, table.Number(0))
	}
	return table.Equals(name, table.Number(was))
}

func (r Reminded) text() string {
	text := table.Instant(r.Bought) + " " + r.Outcome + " " + table.Instant(r.At) + " " + strconv.FormatInt(r.Program, 10)
	if r.First.Category != "" {
		text += " " + table.Instant(r.First.Bought) + " " + r.First.Category // may hold blanks
	}
	return text
}

func parseReminded(text string) (Reminded, error) {
	parts := strings.SplitN(text, " ", 6)
	if len(parts) != 4 && len(parts) != 6 {
		return Reminded{}, fmt.Errorf("reminder has %d parts", len(parts))
	}
	bought, err := time.Parse(time.RFC3339, parts[0])
	if err != nil {
		return Reminded{}, err
	}
	at, err := time.Parse(time.RFC3339, parts[2])
	if err != nil {
		return Reminded{}, err
	}
	if parts[1] == postponed {
		parts[1] = OutcomeHandingOver
	}
	version, err := strconv.ParseInt(parts[3], 10, 64)
	reminded := Reminded{Bought: bought, Outcome: parts[1], At: at, Program: version}
	if err == nil && len(parts) == 6 {
		reminded.First.Category = parts[5]
		reminded.First.Bought, err = time.Parse(time.RFC3339, parts[4])
	}
	return reminded, err
}
