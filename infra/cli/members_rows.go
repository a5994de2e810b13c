package cli

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/identity"
	"github.com/huitou/huitou/shared/ledger"
	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
	"github.com/huitou/huitou/shared/points"
)

// The columns of a members file beside those of identities.
const (
	columnPhone       = "phone"
	columnJoined      = "joined_at"
	columnConsents    = "consents"
	columnGivenAt     = "consents_given_at"
	columnPoints      = "points"
	columnPointsUntil = "points_until"
	columnGrowth      = "growth"
	columnGrowthMonth = "growth_month"
)

var plainColumns = []string{columnPhone, columnJoined, columnConsents, columnGivenAt, columnPoints, columnPointsUntil, columnGrowth, columnGrowthMonth}

// broughtMember is one row of a members file.
type broughtMember struct {
	Line       int
	Identities []identityFlag
	Opening    broughtOpening
}

// broughtOpening is the row's part of an opening balance, as the API takes it.
type broughtOpening struct {
	Source   string          `json:"source"`
	Points   []broughtPoints `json:"points"`
	Growth   []broughtGrowth `json:"growth,omitempty"`
	JoinedAt string          `json:"joined_at,omitempty"`
	Consents []string        `json:"consents,omitempty"`
	GivenAt  string          `json:"given_at,omitempty"`
}

type broughtPoints struct {
	Points int64  `json:"points"`
	Until  string `json:"until,omitempty"`
}

type broughtGrowth struct {
	Month  string `json:"month"`
	Growth int64  `json:"growth"`
}

func (o broughtOpening) empty() bool {
	return len(o.Points) == 0 && len(o.Growth) == 0 && o.JoinedAt == "" && len(o.Consents) == 0
}

// broughtMembers is what a members file holds.
type broughtMembers struct {
	Members []broughtMember
	Refused []export.Refusal
	Masked  int // cells that name nobody, skipped beside an identity that does
}

// membersFile reads a members file.
type membersFile struct {
	name    string
	source  string
	ignored []string  // columns to leave alone
	now     time.Time // by which huitou's rules are held against a row here; zero where huitou does that

	columns []memberColumn
	seen    map[identityFlag]int // on which line
	found   broughtMembers
}

// memberColumn is what a column holds: an identity of a kind and channel, or
// one of plainColumns.
type memberColumn struct {
	name     string // as the file has it
	identity *identityFlag
	ignored  bool
}

// readMembers reads every row. It fails with an error where the file is of no
// use at all; rows that cannot be taken are named in the result, by line and
// column and without what they hold.
func (f *membersFile) read(rows export.Rows) (broughtMembers, error) {
	f.seen = map[identityFlag]int{}
	if err := f.header(rows); err != nil {
		return broughtMembers{}, err
	}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return f.found, nil
		}
		if bad, ok := errors.AsType[*export.BadRow](err); ok {
			f.refuse(bad.Line, "", bad.Reason)
			continue
		}
		if err != nil {
			return broughtMembers{}, export.Refusal{File: f.name, Line: row.Line, Reason: "the file cannot be read on: " + reasonOf(err)}
		}
		if len(row.Cells) != len(f.columns) {
			f.refuse(row.Line, "", fmt.Sprintf("has %d columns and the header %d", len(row.Cells), len(f.columns)))
			continue
		}
		member, err := f.member(row)
		if wrong, ok := errors.AsType[*wrongCell](err); ok {
			f.refuse(row.Line, wrong.column, wrong.reason)
			continue
		}
		if err != nil {
			return broughtMembers{}, err
		}
		f.found.Members = append(f.found.Members, member)
	}
}

func (f *membersFile) refuse(line int, column, reason string) {
	f.found.Refused = append(f.found.Refused, export.Refusal{File: f.name, Line: line, Column: column, Reason: reason})
}

// wrongCell is a fault in one column.
type wrongCell struct{ column, reason string }

func (w *wrongCell) Error() string { return w.column + ": " + w.reason }

func (f *membersFile) header(rows export.Rows) error {
	row, err := rows.Next()
	if bad, ok := errors.AsType[*export.BadRow](err); ok {
		return export.Refusal{File: f.name, Line: bad.Line, Reason: bad.Reason}
	}
	if errors.Is(err, io.EOF) {
		return export.Refusal{File: f.name, Line: 1, Reason: "the file is empty"}
	}
	if err != nil {
		return export.Refusal{File: f.name, Line: 1, Reason: "the file cannot be read: " + reasonOf(err)}
	}
	identities := 0
	for _, cell := range row.Cells {
		column := memberColumn{name: export.Clean(cell)}
		lower := strings.ToLower(column.name)
		switch kind, channel, _ := strings.Cut(lower, ":"); {
		case slices.Contains(f.ignored, column.name), column.name == "":
			column.ignored = true
		case lower == columnPhone:
			column.identity = &identityFlag{Kind: kind}
		case slices.Contains(plainColumns, lower):
		case channel != "" && slices.Contains([]string{"buyer", "openid", "unionid", "wecom"}, kind):
			column.identity = &identityFlag{Kind: kind, Channel: channel}
		default:
			return export.Refusal{File: f.name, Line: row.Line, Column: printable(column.name), Reason: "is not a column that --help names; rename it, or leave it out with --ignore"}
		}
		if !column.ignored {
			column.name = lower
			if slices.ContainsFunc(f.columns, func(other memberColumn) bool { return other.name == lower && !other.ignored }) {
				return export.Refusal{File: f.name, Line: row.Line, Column: printable(lower), Reason: "the column stands twice in the header"}
			}
		}
		if column.identity != nil {
			identities++
		}
		f.columns = append(f.columns, column)
	}
	if identities == 0 {
		return export.Refusal{File: f.name, Line: row.Line, Reason: "no column names a person: phone, buyer:CHANNEL, openid:CHANNEL, unionid:CHANNEL or wecom:CHANNEL"}
	}
	return nil
}

func (f *membersFile) member(row export.Row) (broughtMember, error) {
	member := broughtMember{Line: row.Line, Opening: broughtOpening{Source: f.source, Points: []broughtPoints{}}}
	cells := map[string]string{}
	masked := 0
	for i, column := range f.columns {
		cell := strings.Clone(export.Clean(row.Cells[i]))
		switch {
		case column.ignored || cell == "":
		case column.identity == nil:
			cells[column.name] = cell
		default:
			known := identityFlag{Kind: column.identity.Kind, Channel: column.identity.Channel, Value: cell}
			one, err := onePerson(column.name, &known)
			if err != nil {
				return member, err
			}
			if !one {
				masked++
				continue
			}
			if line, twice := f.seen[known]; twice {
				return member, &wrongCell{column.name, fmt.Sprintf("line %d names the same person; a person stands on one line, with all that they have", line)}
			}
			member.Identities = append(member.Identities, known)
		}
	}
	if len(member.Identities) == 0 {
		return member, &wrongCell{"", "no cell names a person; a masked name or number stands for nobody"}
	}
	if err := member.Opening.fill(cells); err != nil {
		return member, err
	}
	if !f.now.IsZero() {
		if err := member.Opening.check(cells, f.now); err != nil {
			return member, err
		}
	}
	for _, known := range member.Identities {
		f.seen[known] = row.Line
	}
	f.found.Masked += masked
	return member, nil
}

// onePerson tells whether an identity stands for one person, and writes a phone in
// the one form that all its spellings have.
func onePerson(column string, known *identityFlag) (bool, error) {
	switch {
	case orders.IsMasked(known.Value):
		return false, nil
	case export.IsRounded(known.Value):
		return false, &wrongCell{column, "a spreadsheet has rounded the number (E+); export the file again and do not save it"}
	case known.Kind != string(loyalty.IdentityPhone):
		if len(known.Value) > orders.MaxIDBytes {
			return false, &wrongCell{column, "is too long"}
		}
		return true, nil
	case identity.IsVirtual(known.Value):
		return false, nil
	}
	phone, err := identity.ParsePhone(known.Value)
	if err != nil {
		return false, &wrongCell{column, "is not a phone number"}
	}
	known.Value = phone.E164()
	return true, nil
}

// check holds what was read against the rules that huitou has for an opening
// balance, and says in which column it breaks one.
func (o *broughtOpening) check(cells map[string]string, now time.Time) error {
	opening := points.Opening{Source: o.Source}
	for _, part := range o.Points {
		brought := points.OpeningPoints{Points: loyalty.Points(part.Points)}
		if part.Until != "" {
			until, err := written(pick(strings.Contains(cells[columnPoints], "@"), columnPoints, columnPointsUntil), part.Until)
			if err != nil {
				return err
			}
			brought.Until = until
		}
		opening.Points = append(opening.Points, brought)
	}
	for _, part := range o.Growth {
		opening.Growth = append(opening.Growth, points.OpeningGrowth{Month: part.Month, Growth: loyalty.Points(part.Growth)})
	}
	joined, err := written(columnJoined, o.JoinedAt)
	if err != nil {
		return err
	}
	given, err := written(columnGivenAt, o.GivenAt)
	if err != nil {
		return err
	}
	err = ledger.CheckOpening(opening, joined, given, now, orders.Shanghai)
	refusal, ok := errors.AsType[*loyalty.Error](err)
	if !ok || len(refusal.Fields) == 0 {
		return err
	}
	column := columnPoints
	switch pointer := refusal.Fields[0].Pointer; {
	case pointer == "/joined_at":
		column = columnJoined
	case pointer == "/given_at":
		column = columnGivenAt
	case strings.HasSuffix(pointer, "/until"):
		column = pick(strings.Contains(cells[columnPoints], "@"), columnPoints, columnPointsUntil)
	case strings.HasSuffix(pointer, "/month"):
		column = pick(strings.Contains(cells[columnGrowth], "@"), columnGrowth, columnGrowthMonth)
	case strings.HasPrefix(pointer, "/growth"):
		column = columnGrowth
	}
	return &wrongCell{column, refusal.Detail}
}

// written reads back a time that was written a moment ago; nil for none. A date may
// have a year that no instant of huitou has.
func written(column, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := loyalty.ParseTime(text)
	if err != nil {
		return nil, &wrongCell{column, "is in no year from 1970 to 8999"}
	}
	return &at, nil
}

// fill reads the cells beside the identities.
func (o *broughtOpening) fill(cells map[string]string) (err error) {
	for part := range parts(cells[columnPoints]) {
		amount, end, dated := strings.Cut(part, "@")
		if !dated {
			end = cells[columnPointsUntil]
		}
		brought := broughtPoints{}
		if brought.Points, err = wholeNumber(columnPoints, amount); err != nil {
			return err
		}
		if end != "" {
			until, err := endOf(end)
			if err != nil {
				return &wrongCell{pick(dated, columnPoints, columnPointsUntil), "is not a date like 2027-03-31 or a time like 2027-03-31T23:59:59+08:00"}
			}
			brought.Until = until.Format(time.RFC3339)
		}
		if brought.Points > 0 {
			o.Points = append(o.Points, brought)
		}
	}
	for part := range parts(cells[columnGrowth]) {
		amount, month, dated := strings.Cut(part, "@")
		if !dated {
			month = cells[columnGrowthMonth]
		}
		growth := broughtGrowth{}
		if growth.Growth, err = wholeNumber(columnGrowth, amount); err != nil {
			return err
		}
		if growth.Growth == 0 {
			continue
		}
		at, err := time.Parse("2006-1", strings.ReplaceAll(strings.TrimSpace(month), "/", "-"))
		if err != nil {
			return &wrongCell{pick(dated, columnGrowth, columnGrowthMonth), "growth counts in a month like 2026-11, and none is given"}
		}
		growth.Month = at.Format("2006-01")
		o.Growth = append(o.Growth, growth)
	}
	if text := cells[columnJoined]; text != "" {
		joined, err := timeOf(text)
		if err != nil {
			return &wrongCell{columnJoined, "is not a date like 2024-05-17 or a time like 2024-05-17 10:00:00"}
		}
		o.JoinedAt = joined.Format(time.RFC3339)
	}
	if text := cells[columnGivenAt]; text != "" && cells[columnConsents] != "" {
		given, err := timeOf(text)
		if err != nil {
			return &wrongCell{columnGivenAt, "is not a date like 2024-05-17 or a time like 2024-05-17 10:00:00"}
		}
		o.GivenAt = given.Format(time.RFC3339)
	}
	for _, consent := range strings.FieldsFunc(cells[columnConsents], func(r rune) bool { return strings.ContainsRune(" ;,、；，", r) }) {
		if !slices.Contains([]string{"membership", "marketing", "personalisation"}, consent) {
			return &wrongCell{columnConsents, "a consent is membership, marketing or personalisation"}
		}
		if !slices.Contains(o.Consents, consent) {
			o.Consents = append(o.Consents, consent)
		}
	}
	return nil
}

func pick(first bool, one, other string) string {
	if first {
		return one
	}
	return other
}

// parts are the parts of a cell, "500@2027-03-31;700".
func parts(cell string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(strings.ReplaceAll(cell, "；", ";"), ";") {
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

// wholeNumber reads 0 to 1,000,000,000; ".0" and ".00", which spreadsheets add,
// may follow.
func wholeNumber(column, text string) (int64, error) {
	text = strings.TrimSpace(text)
	if whole, fraction, found := strings.Cut(text, "."); found && fraction != "" && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	number, err := strconv.ParseUint(text, 10, 32)
	if err != nil || number > 1_000_000_000 {
		return 0, &wrongCell{column, "is not a whole number from 0 to 1000000000"}
	}
	return int64(number), nil
}

// endOf reads the end of points. A date is the last day on which they are good:
// they end with the midnight after it.
func endOf(text string) (time.Time, error) {
	if day, ok := dayOf(text); ok {
		return day.AddDate(0, 0, 1), nil
	}
	return timeOf(text)
}

// timeOf reads a time with its zone, or a date or time of Shanghai.
func timeOf(text string) (time.Time, error) {
	if at, err := loyalty.ParseTime(text); err == nil {
		return at, nil
	}
	if day, ok := dayOf(text); ok {
		return day, nil
	}
	return orders.ParseLocalTime(text)
}

func dayOf(text string) (time.Time, bool) {
	day, err := time.ParseInLocation("2006-1-2", strings.ReplaceAll(strings.TrimSpace(text), "/", "-"), orders.Shanghai)
	return day, err == nil
}
