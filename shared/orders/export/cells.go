package export

import (
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/width"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// record is one row with its columns' names.
type record struct {
	file    string
	line    int
	columns columns
	cells   []string
}

// kept is a cell that outlives its row. Without the copy it would keep the
// whole row in memory.
func (r record) kept(column string) string { return strings.Clone(r.cell(column)) }

// cell is the cleaned content of a column, "" where it is not in the file.
func (r record) cell(column string) string { return Clean(r.raw(column)) }

func (r record) raw(column string) string {
	i, ok := r.columns.at[column]
	if !ok {
		return ""
	}
	return r.cells[i]
}

// refusal is a fault in one column.
type refusal struct{ column, reason string }

func (r *refusal) Error() string { return r.column + ": " + r.reason }

const (
	roundedReason = "a spreadsheet has rounded the number; export the file again and do not save it"
	formulaReason = "holds a formula or its error; export the file again and do not save it"
	datedReason   = "a spreadsheet has turned the time into a number; export the file again and do not save it"
)

// id reads what names an order or a line.
func (r record) id(column string) (string, error) {
	id := r.kept(column)
	switch {
	case id == "":
		return "", &refusal{column, "is empty"}
	case IsRounded(id), decimalNumber.MatchString(id):
		return "", &refusal{column, roundedReason}
	case isFormula(id):
		return "", &refusal{column, formulaReason}
	case strings.Contains(id, `"`):
		return "", &refusal{column, "holds a quote"}
	case len(id) > orders.MaxIDBytes:
		return "", &refusal{column, "is too long"}
	}
	return id, nil
}

// sku reads the seller's code of the goods, which may be absent. A barcode is a
// number of 13 digits, and spreadsheets round those, too.
func (r record) sku(column string) (string, error) {
	sku := r.kept(column)
	switch {
	case IsRounded(sku):
		return "", &refusal{column, roundedReason}
	case isFormula(sku):
		return "", &refusal{column, formulaReason}
	}
	return sku, nil
}

var (
	roundedNumber = regexp.MustCompile(`^[0-9]+(?:[.,][0-9]*)?E\+[0-9]+$|^[0-9]+[.,][0-9]+E[0-9]+$`)
	decimalNumber = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
	serialNumber  = regexp.MustCompile(`^[0-9]{4,6}(?:\.[0-9]+)?$`)
	tooNarrow     = regexp.MustCompile(`^#{2,}$`)
	sheetError    = regexp.MustCompile(`^#(?:REF!|VALUE!|NAME\?|N/A|DIV/0!|NUM!|NULL!|SPILL!|CALC!)$`)
)

// IsRounded recognises "2.78339842872044E+18", which a spreadsheet makes of an
// order number or a phone; its last digits are lost.
func IsRounded(number string) bool {
	return roundedNumber.MatchString(strings.ToUpper(width.Fold.String(strings.TrimSpace(number))))
}

// isFormula recognises a formula and what a spreadsheet writes in place of a
// value that it could not work out.
func isFormula(cell string) bool {
	return strings.HasPrefix(cell, "=") || sheetError.MatchString(strings.ToUpper(cell))
}

// endsInZeros is true for a number as a spreadsheet keeps it once it is saved as
// one: 15 digits and zeros. One such number may be true; when all numbers of a
// file are like that, a spreadsheet has been at it.
func endsInZeros(id string) bool { return strings.Trim(id[exactDigits:], "0") == "" }

// exactDigits is how many digits of a number a spreadsheet keeps.
const exactDigits = 15

// isBareNumber is true for a cell whose number a spreadsheet would round: only
// digits, too many of them, and nothing around them that says it is a text.
func isBareNumber(cell string) bool {
	cell = strings.Trim(cell, " ")
	return len(cell) > exactDigits && strings.Trim(cell, "0123456789") == ""
}

// money is an amount; an empty cell is 0 only where a column is optional.
func (r record) money(column string) (loyalty.Fen, error) {
	return parseMoney(column, r.cell(column))
}

func parseMoney(column, text string) (loyalty.Fen, error) {
	amount, err := orders.ParseYuan(text)
	if err != nil {
		return 0, &refusal{column, "is not an amount like 323.58"}
	}
	return amount, nil
}

func (r record) optionalMoney(column string) (loyalty.Fen, error) {
	if r.cell(column) == "" {
		return 0, nil
	}
	return r.money(column)
}

func (r record) optionalTime(column string) (time.Time, error) {
	text := r.cell(column)
	if text == "" {
		return time.Time{}, nil
	}
	at, err := orders.ParseLocalTime(text)
	switch {
	case err == nil:
		return at, nil
	case serialNumber.MatchString(text), tooNarrow.MatchString(text), IsRounded(text):
		return time.Time{}, &refusal{column, datedReason}
	}
	return time.Time{}, &refusal{column, "is not a time like 2026-11-02 09:00:21"}
}

// parseQuantity reads a number of units; ".0" and ".00", which spreadsheets add,
// may follow.
func parseQuantity(column, text string) (int64, error) {
	text = width.Fold.String(text)
	if whole, fraction, found := strings.Cut(text, "."); found && fraction != "" && strings.Trim(fraction, "0") == "" {
		text = whole
	}
	quantity, err := strconv.ParseInt(text, 10, 64)
	if err != nil || quantity < 1 || quantity > orders.MaxQuantity || text[0] == '+' {
		return 0, &refusal{column, "is not a number of units like 1"}
	}
	return quantity, nil
}

// Clean takes from a cell what keeps spreadsheets from touching it: blanks and
// tabs around it, a formula that only says its text (="…", =T("…")) or number
// (=35), a leading quote mark. "-" stands for nothing.
func Clean(cell string) string {
	cell = trim(cell)
	if inner, found := strings.CutPrefix(cell, "="); found {
		text := trim(inner)
		if call, found := strings.CutPrefix(text, "T("); found && strings.HasSuffix(call, ")") {
			text = trim(strings.TrimSuffix(call, ")"))
		}
		switch {
		case len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"' && isOneText(text[1:len(text)-1]):
			cell = strings.ReplaceAll(text[1:len(text)-1], `""`, `"`)
		case text != "" && text == inner && strings.Trim(text, "0123456789.") == "":
			cell = text
		}
	}
	cell = trim(strings.TrimPrefix(trim(cell), "'"))
	if cell == "-" {
		return ""
	}
	return cell
}

// isOneText is true between the quotes of a formula's only text: a quote in it
// stands twice.
func isOneText(text string) bool { return !strings.Contains(strings.ReplaceAll(text, `""`, ""), `"`) }

// trim takes blanks and characters without a width from both ends.
func trim(cell string) string {
	return strings.TrimFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' })
}

// buyer is who ordered, as far as the file tells: masked names and ciphertext
// are nobody, of a masked phone the last four digits remain, and a number that
// the platform lends for one parcel or a landline is nobody's. It refuses a
// phone that a spreadsheet destroyed and what is no phone at all.
func (r record) buyer(nameColumn, phoneColumn string) (buyer orders.Buyer, err error) {
	name, phone := r.kept(nameColumn), r.kept(phoneColumn)
	switch {
	case IsRounded(name):
		return buyer, &refusal{nameColumn, roundedReason}
	case isFormula(name):
		return buyer, &refusal{nameColumn, formulaReason}
	case !orders.IsMasked(name):
		buyer.ID = name
	}
	switch {
	case phone == "":
	case IsRounded(phone):
		return buyer, &refusal{phoneColumn, roundedReason}
	case isFormula(phone):
		return buyer, &refusal{phoneColumn, formulaReason}
	case orders.IsMasked(phone):
		buyer.PhoneLast4 = orders.VisibleLast4(phone)
	default:
		number := digitsOf(phone)
		switch {
		case mobile.MatchString(number):
			buyer.Phone = orders.Phone(strings.TrimSuffix(number, ".0"))
		case abroad.MatchString(number):
			buyer.Phone = orders.Phone(number)
		case !lent.MatchString(number) && !landline.MatchString(number):
			return buyer, &refusal{phoneColumn, "is not a phone number"}
		}
	}
	return buyer, nil
}

var (
	mobile   = regexp.MustCompile(`^1[3-9][0-9]{9}(?:\.0)?$`)
	abroad   = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	lent     = regexp.MustCompile(`^1[3-9][0-9]{9}(?:-|转)[0-9]{1,6}$`)
	landline = regexp.MustCompile(`^(?:\(?0[0-9]{2,3}\)?-?)?[2-9][0-9]{6,7}(?:(?:-|转)[0-9]{1,6})?$|^[48]00-?[0-9]{3}-?[0-9]{4}$`)
)

// digitsOf is a phone number in half-width characters without blanks, and a
// mainland one without its country code and hyphens.
func digitsOf(phone string) string {
	number := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, width.Fold.String(phone))
	for _, code := range []string{"+86-", "+86", "0086-", "0086", "86-", "86"} {
		rest, found := strings.CutPrefix(number, code)
		if found && mobile.MatchString(strings.ReplaceAll(rest, "-", "")) {
			return strings.ReplaceAll(rest, "-", "")
		}
	}
	if plain := strings.ReplaceAll(number, "-", ""); mobile.MatchString(plain) {
		return plain
	}
	if rest, found := strings.CutPrefix(number, "00"); found {
		return "+" + rest
	}
	return number
}
