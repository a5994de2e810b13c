// Package audience decides who belongs to an audience (人群包): a rule (see package rule) over what
// is known of a member, such as
//
//	orders >= 2 and aov_fen > 20000 and categories["milk-powder"].days_since > 28
//
// The language is that of github.com/expr-lang/expr without its functions,
// closures and variables: comparisons, arithmetic, and, or, not, in, matches,
// contains, startsWith, endsWith, and a ? b : c. A rule reads nothing but the
// member it is given, so that it answers the same for the same member, always.
package audience

import (
	"math"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// Definition is an audience as an operator writes it.
type Definition struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	Rule string `json:"rule"`
}

// Validate refuses (KindInvalid, with the pointer of the first field that is
// wrong) an audience that could not be kept. Its Rule is the business of
// rule.Compile.
func (d Definition) Validate() error {
	switch {
	case !loyalty.IsID(d.ID):
		return loyalty.Invalid("/id", "malformed", "an id has 1 to 64 letters, digits, dots, hyphens and underscores, and begins with a letter or digit")
	case len(d.Name) > 200:
		return loyalty.Invalid("/name", "too_long", "a name has at most 200 bytes")
	}
	return nil
}

// Member is what a rule can ask about a member; the tag is the name in the
// rule. Money is in fen. Days are counted by Days in the brand's calendar and
// are a fraction of no day; what never happened is Never days ago, which is
// neither more nor less than any number, so that
// "days_since_last > 60" finds no one who never bought.
type Member struct {
	Orders          int      `expr:"orders"`
	Paid            int      `expr:"paid_fen"` // net paid goods of all orders, refunds not taken off
	Refunded        int      `expr:"refunded_fen"`
	AverageOrder    int      `expr:"aov_fen"`         // (paid − refunded) ÷ orders, rounded down (客单价); 0 without orders
	DaysSinceLast   float64  `expr:"days_since_last"` // since the last purchase of any category
	JoinedDays      float64  `expr:"joined_days"`
	Home            string   `expr:"home"` // channel of the first order, "" before it
	PointsAvailable int      `expr:"points_available"`
	PointsPending   int      `expr:"points_pending"`
	Consents        Consents `expr:"consents"`

	// Categories are what the member bought of each, in the rule
	// categories["milk-powder"]. One that is missing was never bought.
	Categories map[string]Category `expr:"-"`
}

// Consents are the purposes the member agrees to.
type Consents struct {
	Membership      bool `expr:"membership"`
	Marketing       bool `expr:"marketing"`
	Personalisation bool `expr:"personalisation"`
}

// Category is what a member bought of one category.
type Category struct {
	Count     int     `expr:"count"`    // purchases that were not refunded whole
	Quantity  int     `expr:"quantity"` // units in them
	DaysSince float64 `expr:"days_since"`
}

// Never is how many days ago something was that did not happen.
func Never() float64 { return math.NaN() }

// Days counts the calendar days from one instant to another in a zone: from
// 23:59 to 00:01 is one day. It is Never for the zero time, and 0 for an
// instant that is still to come.
func Days(since, now time.Time, zone *time.Location) float64 {
	if since.IsZero() {
		return Never()
	}
	return max(0, midnight(now, zone).Sub(midnight(since, zone)).Hours()/24)
}

// midnight is the beginning of the day, on a calendar without summer time.
func midnight(at time.Time, zone *time.Location) time.Time {
	year, month, day := at.In(zone).Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}
