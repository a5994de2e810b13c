package cli

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/huitou/huitou/shared/loyalty"
)

// CardsResultCommand is `huitou cards result`.
type CardsResultCommand struct {
	Batch        `embed:""`
	By           string `default:"retained" enum:"redeemed,added,retained" help:"The step that arms are compared by: redeemed, added (became a friend, 加粉) or retained (stayed, 留存)."`
	RetainedDays int    `default:"7" placeholder:"N" help:"A friend who left before so many whole days has not stayed."`
	Connection   `embed:""`
}

// Help is the long help.
func (CardsResultCommand) Help() string {
	return `Shares are of the printed cards, with their 95 % interval for one look. What is said of the arms holds however often you look, so you may stop at the first winner; choose the step before you look. Scans are lines of the function's log, for a page that anybody opens writes nothing.

Examples:

    huitou cards result K-15379

    huitou cards result K-15379 --by redeemed --json`
}

type shownRate struct {
	Count int     `json:"count"`
	Rate  float64 `json:"rate"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

type shownFunnel struct {
	Printed     int         `json:"printed"`
	Redeemed    *shownRate  `json:"redeemed"`
	Added       *shownRate  `json:"added"`
	Retained    *shownRate  `json:"retained"`
	Undecided   int         `json:"undecided"`
	Claimed     *shownRate  `json:"order_claimed"`
	Repurchased *shownRate  `json:"repurchased"`
	Spent       loyalty.Fen `json:"spent"`
	PerFriend   loyalty.Fen `json:"fen_per_friend"`
}

type shownArm struct {
	Name     string `json:"name"`
	Form     string `json:"form"`
	Unpriced bool   `json:"unpriced"`
	shownFunnel
	Value *struct {
		Value float64 `json:"value"`
		Low   float64 `json:"low"`
		High  float64 `json:"high"`
		Rank  int     `json:"rank"`
	} `json:"value"`
}

// neededSample is what is still missing until it can be told; 0 when it is told.
type neededSample struct {
	Cards  int `json:"cards_needed"`
	Events int `json:"events_needed"`
}

type shownComparison struct {
	By      string   `json:"by"`
	Per     string   `json:"per"`
	Verdict string   `json:"verdict"`
	Best    []string `json:"best"`
	neededSample
	Pairs []struct {
		Arms       [2]string `json:"arms"`
		Difference float64   `json:"difference"`
		Low        float64   `json:"low"`
		High       float64   `json:"high"`
		Verdict    string    `json:"verdict"`
		neededSample
	} `json:"pairs"`
}

type shownResult struct {
	ID           string           `json:"id"`
	Name         string           `json:"name"`
	At           string           `json:"at"`
	RetainedDays int              `json:"retained_days"`
	Complete     bool             `json:"complete"`
	Arms         []shownArm       `json:"arms"`
	Total        shownFunnel      `json:"total"`
	Comparison   *shownComparison `json:"comparison"`
}

// Run shows a result.
func (c CardsResultCommand) Run(ctx context.Context, console Console) error {
	request := get(c.path("result")...)
	request.query = url.Values{"by": {c.By}, "retained_days": {strconv.Itoa(c.RetainedDays)}}
	return show(ctx, console, c.Connection, request, shownResult.String)
}

// funnel is how far the cards of each arm came, and of all.
func (r shownResult) funnel() string {
	arms := r.Arms
	if len(arms) > 1 {
		arms = append(slices.Clip(arms), shownArm{Name: "all", shownFunnel: r.Total})
	}
	table := grid{titles: []string{"STEP", "ARM", "CARDS", "%", "FROM", "TO"}}
	for _, arm := range arms {
		table.add("printed", arm.Name, strconv.Itoa(arm.Printed), "", "", "")
	}
	for _, step := range []struct {
		name string
		of   func(shownArm) *shownRate
	}{
		{"redeemed", func(a shownArm) *shownRate { return a.Redeemed }},
		{"friend added", func(a shownArm) *shownRate { return a.Added }},
		{fmt.Sprintf("stayed %d days", r.RetainedDays), func(a shownArm) *shownRate { return a.Retained }},
		{"order claimed", func(a shownArm) *shownRate { return a.Claimed }},
		{"bought again", func(a shownArm) *shownRate { return a.Repurchased }},
	} {
		for _, arm := range arms {
			if rate := step.of(arm); rate != nil {
				table.add(step.name, arm.Name, strconv.Itoa(rate.Count), percent(rate.Rate), percent(rate.Low), percent(rate.High))
			}
		}
	}
	return table.String()
}

func (r shownResult) String() string {
	undecided := ""
	if r.Total.Undecided > 0 {
		undecided = fmt.Sprintf("%d friends, who stayed so far", r.Total.Undecided)
	}
	text := facts("batch", r.ID, "name", r.Name, "counted", r.At, "too early", undecided) + "\n" + r.funnel() + "\n" + r.costs() + "\n"
	switch c := r.Comparison; {
	case !r.Complete:
		text += "More cards were redeemed than one answer counts: this is a part, and nothing is compared.\n"
	case c != nil:
		text += c.String()
		if r.Total.Added == nil && c.By != "redeemed" {
			text += "No friends are recorded yet; --by redeemed compares by redemptions.\n"
		}
	}
	return text
}

// costs are what the arms cost, and what they are worth where they are compared.
func (r shownResult) costs() string {
	table := grid{titles: []string{"ARM", "FORM", "SPENT", "A FRIEND"}}
	if r.Comparison != nil {
		table.titles = append(table.titles, strings.ToUpper(r.Comparison.By+" per "+r.Comparison.Per), "FROM", "TO", "RANK")
	}
	unpriced := ""
	for _, arm := range r.Arms {
		friend := ""
		if arm.PerFriend > 0 {
			friend = money(arm.PerFriend)
		}
		row := []string{arm.Name, arm.Form, money(arm.Spent), friend}
		switch v := arm.Value; {
		case r.Comparison == nil:
		case v == nil:
			row = append(row, "", "", "", "")
		default:
			row = append(row, figure(v.Value), figure(v.Low), figure(v.High), strconv.Itoa(v.Rank))
		}
		table.add(row...)
		if arm.Unpriced {
			unpriced += printable(arm.Name) + ": prizes without a declared worth are missing in what was spent.\n"
		}
	}
	return table.String() + unpriced
}

func (c shownComparison) String() string {
	var text strings.Builder
	names := make([]string, len(c.Best))
	for i, name := range c.Best {
		names[i] = printable(name)
	}
	best := strings.Join(names, ", ")
	switch c.Verdict {
	case "winner":
		fmt.Fprintf(&text, "Winner: %s. The chance that this is wrong is at most 5 %%, however often you look.\n", best)
	case "no_difference":
		fmt.Fprintf(&text, "No difference: %s are less than a fifth apart, any of them will do.\n", best)
	default:
		fmt.Fprintf(&text, "Cannot tell yet: %s may each be the best.", best)
		if c.Cards > 0 {
			fmt.Fprintf(&text, " If things go on like this it takes about %d more cards, or %d more of %s.", c.Cards, c.Events, c.By)
		} else {
			text.WriteString(" There is too little to say how much more it takes.")
		}
		text.WriteByte('\n')
	}
	if len(c.Pairs) > 1 {
		table := grid{titles: []string{"PAIR", "DIFFERENCE", "FROM", "TO", "VERDICT", "CARDS NEEDED"}}
		for _, p := range c.Pairs {
			needed := ""
			if p.Cards > 0 {
				needed = strconv.Itoa(p.Cards)
			}
			table.add(p.Arms[0]+" - "+p.Arms[1], figure(p.Difference), figure(p.Low), figure(p.High), strings.ReplaceAll(p.Verdict, "_", " "), needed)
		}
		text.WriteString("\n" + table.String())
	}
	return text.String()
}

// percent is a share with one decimal.
func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) }

// figure is a statistic to four places.
func figure(x float64) string { return strconv.FormatFloat(x, 'f', 4, 64) }
