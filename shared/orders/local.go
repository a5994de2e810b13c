package orders

import (
	"strings"
	"time"

	"github.com/shopspring/decimal"
	"golang.org/x/text/width"

	"github.com/huitou/huitou/shared/loyalty"
)

// Shanghai is the zone of every time that a Chinese platform writes without
// one. A fixed offset is exact: the country has had one zone and no summer
// time since 1991, and no event is older than Earliest.
var Shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// ParseLocalTime reads a wall clock time of Shanghai as platforms and
// spreadsheets write it: "2026-11-02 09:00:21", "2026/11/3 8:5", in full-width
// characters too. It fails with
// loyalty.KindInvalid, code "bad_time", for anything else and before Earliest.
func ParseLocalTime(text string) (time.Time, error) {
	text = strings.ReplaceAll(strings.TrimSpace(width.Fold.String(text)), "/", "-")
	for _, layout := range []string{"2006-1-2 15:4:5", "2006-1-2 15:4", "2006-1-2T15:4:5"} {
		if at, err := time.ParseInLocation(layout, text, Shanghai); err == nil && !at.Before(Earliest) {
			return at, nil
		}
	}
	return time.Time{}, loyalty.Refuse(loyalty.KindInvalid, "bad_time", "a time like 2026-11-02 09:00:21 is wanted")
}

// longestYuan is more bytes than any amount has, also in full-width characters.
const longestYuan = 96

// ParseYuan reads an amount that a platform writes in yuan (元), "1,323.58",
// as fen. It takes ¥ or ￥ before and 元 behind, commas between thousands,
// full-width characters (１，３２３．５８) as their half-width ones, and at most two
// decimals that are not zero. It fails with loyalty.KindInvalid, code
// "bad_money", for anything else, a negative amount and one over MaxAmount.
func ParseYuan(text string) (loyalty.Fen, error) {
	refused := loyalty.Refuse(loyalty.KindInvalid, "bad_money", "an amount in yuan like 323.58 is wanted")
	if len(text) > longestYuan {
		return 0, refused
	}
	digits := strings.TrimPrefix(strings.TrimSpace(width.Fold.String(text)), "¥") // which folds ￥
	digits = strings.TrimSpace(strings.TrimSuffix(digits, "元"))
	digits, grouped := ungroup(digits)
	whole, fraction, _ := strings.Cut(digits, ".")
	// Exponents and signs go no further: decimal would take them.
	if !grouped || whole == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, refused
	}
	yuan, err := decimal.NewFromString(digits)
	if err != nil {
		return 0, refused
	}
	fen := yuan.Shift(2)
	if !fen.IsInteger() || fen.GreaterThan(decimal.NewFromInt(MaxAmount)) {
		return 0, refused
	}
	return loyalty.Fen(fen.IntPart()), nil
}

// ungroup takes the commas out of "1,234,567.00" and refuses them anywhere
// else, so that "1,5" is not ¥15.
func ungroup(digits string) (string, bool) {
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	if strings.Contains(fraction, ",") {
		return "", false
	}
	groups := strings.Split(whole, ",")
	for i, group := range groups[1:] {
		if len(group) != 3 || i == 0 && (len(groups[0]) == 0 || len(groups[0]) > 3) {
			return "", false
		}
	}
	whole = strings.Join(groups, "")
	if hasFraction {
		whole += "." + fraction
	}
	return whole, true
}
