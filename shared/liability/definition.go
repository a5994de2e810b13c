package liability

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Definition says what the figures are as a whole, beside those of each.
const Definition = "Sums over the accounts of all members, each read whole, once, at a moment between as_of and read_until. " +
	"An account moves in the write that appends to its ledger, so every one balances by itself at every moment and so does the sum, whatever happens during the walk; " +
	"what happens to a member after the look at them, and members who join meanwhile, may be missing. For books that close at an instant, ask when nothing is written. " +
	"A member who was merged into another (会员合并) counts as a part of that one alone. A person who was erased (注销) counts, for the ledger is kept: the points stay outstanding until they end, which those that never end do not do by themselves. " +
	"Nobody can spend them, so none of them is in liability and the rate at which others let points lapse is not taken from them: " +
	"erased is breakage whose exercise is remote (IFRS 15 B46), to be taken to revenue when the brand's terms say that points lapse with the membership, and else when they end."

// Definitions are those of all figures, by their place in the report:
// "breakage.expected".
func Definitions() map[string]string {
	definitions := map[string]string{}
	define(reflect.TypeFor[Report](), "", definitions)
	return definitions
}

func define(t reflect.Type, above string, into map[string]string) {
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous {
			define(field.Type, above, into)
			continue
		}
		if text := field.Tag.Get("doc"); text != "" {
			into[above+name] = text
		}
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner == reflect.TypeFor[Breakage]() || inner == reflect.TypeFor[Money]() || inner == reflect.TypeFor[Compared]() {
			define(inner, above+name+".", into)
		}
	}
}

// Row is one figure of the report as a line of a table.
type Row struct {
	Figure string // its place in the report
	Month  Month  // "" for none
	Value  string
}

// Rows are all figures of the report, in its order.
func (r Report) Rows() []Row {
	var rows []Row
	text := func(figure, value string) { rows = append(rows, Row{Figure: figure, Value: value}) }
	number := func(figure string, value int64) { text(figure, strconv.FormatInt(value, 10)) }
	totals := func(above string, t Totals) {
		number(above+"issued", int64(t.Issued))
		number(above+"available", int64(t.Available))
		number(above+"pending", int64(t.Pending))
		number(above+"spent", int64(t.Spent))
		number(above+"expired", int64(t.Expired))
		number(above+"clawed_back", int64(t.Clawed))
		number(above+"debt", int64(t.Debt))
	}
	months := func(figure string, months []MonthPoints) {
		for _, month := range months {
			rows = append(rows, Row{figure, month.Month, strconv.FormatInt(int64(month.Points), 10)})
		}
	}
	text("as_of", r.AsOf.Format(time.RFC3339Nano))
	number("members", r.Members)
	totals("", r.Totals)
	number("difference", int64(r.Difference))
	number("outstanding", int64(r.Outstanding))
	months("ending", r.Ending)
	number("never_ending", int64(r.NeverEnding))
	number("ended", int64(r.Ended))
	number("erased_members", r.ErasedMembers)
	number("erased", int64(r.Erased))
	months("expired_by_month", r.Lapsed)
	text("breakage.state", r.Breakage.State)
	number("breakage.months", int64(r.Breakage.Months))
	number("breakage.basis_points", r.Breakage.BasisPoints)
	number("breakage.expected", int64(r.Breakage.Expected))
	number("liability", int64(r.Liability))
	if m := r.Money; m != nil {
		text("money.currency", m.Currency)
		number("money.value.fen", int64(m.Value.Fen))
		number("money.value.per_points", int64(m.Value.PerPoints))
		number("money.outstanding", int64(m.Outstanding))
		number("money.liability", int64(m.Liability))
	}
	if c := r.Reconciled; c != nil {
		number("reconciliation.facts", c.Facts)
		number("reconciliation.differ", c.Differ)
		for _, member := range c.Members {
			text("reconciliation.members", string(member))
		}
		totals("reconciliation.ledger.", c.Ledger)
		number("reconciliation.difference", int64(c.Difference))
		for _, cohort := range c.Cohorts {
			for _, of := range []struct {
				name  string
				value int64
			}{{"spent", int64(cohort.Spent)}, {"expired", int64(cohort.Expired)}, {"basis_points", cohort.BasisPoints}} {
				rows = append(rows, Row{"reconciliation.cohorts." + of.name, cohort.Month, strconv.FormatInt(of.value, 10)})
			}
		}
	}
	return rows
}

// DefinitionOf finds the definition of a row's figure, that of what it is a part
// of where it has none of its own.
func DefinitionOf(definitions map[string]string, figure string) string {
	for {
		if text, ok := definitions[figure]; ok {
			return text
		}
		at := strings.LastIndexByte(figure, '.')
		if at < 0 {
			return ""
		}
		figure = figure[:at]
	}
}
