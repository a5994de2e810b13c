package export

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// meaning is what a word of a platform says about an order or a line.
type meaning int

const (
	// Of an order.
	unpaid meaning = iota
	paid
	closed // before a payment or after it: its time tells

	// Of a line.
	notRefunded    // nothing was asked for, or it was refused, or it is not decided yet
	refundedAmount // what the file says in the column of the amount
	refundedWhole  // all that the line cost
	refundedSome   // the amount where the file has one, else all that the line cost
)

// vocabulary is a closed set of words. A word that a platform may write in a
// column and that does not stand here is refused with the word: guessing would
// give or take points.
type vocabulary map[string]meaning

// tmallOrders are the words of 订单状态.
var tmallOrders = vocabulary{
	"没有创建支付宝交易":         unpaid,
	"等待买家付款":            unpaid,
	"付款以前,卖家或买家主动关闭交易":  unpaid,
	"等待卖家发货":            paid,
	"买家已付款,等待卖家发货":      paid,
	"卖家部分发货":            paid,
	"卖家已发货":             paid,
	"卖家已发货,等待买家确认":      paid,
	"卖家已发货,等待买家确认收货":    paid,
	"等待买家确认收货":          paid,
	"买家已签收,货到付款专用":      paid,
	"交易成功":              paid,
	"付款以后用户退款成功,交易自动关闭": paid,
	"交易关闭":              closed,
}

// tmallRefunds are the words of 退款状态. The file always has the amount beside
// it.
var tmallRefunds = vocabulary{
	"":       notRefunded,
	"没有申请退款": notRefunded,
	"未申请退款":  notRefunded,
	"无退款申请":  notRefunded,
	"无退款":    notRefunded,
	"买家已经申请退款,等待卖家同意": notRefunded,
	"买家已申请退款,等待卖家同意":  notRefunded,
	"卖家已经同意退款,等待买家退货": notRefunded,
	"卖家已同意退款,等待买家退货":  notRefunded,
	"卖家同意退款,等待买家退货":   notRefunded,
	"买家已经退货,等待卖家确认收货": notRefunded,
	"买家已退货,等待卖家确认收货":  notRefunded,
	"卖家拒绝退款":          notRefunded,
	"卖家未收到货,拒绝退款":     notRefunded,
	"退款中":             notRefunded,
	"退款关闭":            notRefunded,
	"退款成功":            refundedAmount,
	"部分退款":            refundedAmount,
	"已部分退款":           refundedAmount,
	"部分退款成功":          refundedAmount,
	"全额退款":            refundedWhole,
	"已全额退款":           refundedWhole,
	"全额退款成功":          refundedWhole,
}

// douyinOrders are the words of 订单状态.
var douyinOrders = vocabulary{
	"待支付":  unpaid,
	"待付款":  unpaid,
	"未支付":  unpaid,
	"未付款":  unpaid,
	"已支付":  paid,
	"已付款":  paid,
	"备货中":  paid,
	"待发货":  paid,
	"部分发货": paid,
	"已发货":  paid,
	"待收货":  paid,
	"已收货":  paid,
	"已签收":  paid,
	"已完成":  paid,
	"已关闭":  closed,
	"已取消":  closed,
}

// douyinRefunds are the words of 售后状态. A word that may be an exchange of goods
// as well as a refund (售后成功, 售后完成) is left out on purpose.
var douyinRefunds = vocabulary{
	"":            notRefunded,
	"无":           notRefunded,
	"无售后":         notRefunded,
	"售后待处理":       notRefunded,
	"待商家处理":       notRefunded,
	"待商家收货":       notRefunded,
	"待收退货":        notRefunded,
	"待退货":         notRefunded,
	"待买家退货":       notRefunded,
	"待买家退货处理":     notRefunded,
	"待买家收货":       notRefunded,
	"等待用户收货":      notRefunded,
	"补寄/换货,待买家收货": notRefunded,
	"补寄/换货成功":     notRefunded,
	"补寄成功":        notRefunded,
	"换货成功":        notRefunded,
	"换货待处理":       notRefunded,
	"退货待处理":       notRefunded,
	"发货前退款待处理":    notRefunded,
	"发货后仅退款待处理":   notRefunded,
	"退款中":         notRefunded,
	"同意退款,退款中":    notRefunded,
	"退款失败":        notRefunded,
	"同意退款,退款失败":   notRefunded,
	"拒绝售后":        notRefunded,
	"拒绝售后申请":      notRefunded,
	"退货后拒绝退款":     notRefunded,
	"仲裁中":         notRefunded,
	"仲裁中-待商家举证":   notRefunded,
	"待商家上传凭证":     notRefunded,
	"退款关闭":        notRefunded,
	"售后关闭":        notRefunded,
	"售后取消":        notRefunded,
	"退款成功":        refundedSome,
	"同意退款,退款成功":   refundedSome,
	"部分退款":        refundedAmount,
	"已部分退款":       refundedAmount,
	"部分退款成功":      refundedAmount,
	"全额退款":        refundedWhole,
	"已全额退款":       refundedWhole,
	"全额退款成功":      refundedWhole,
}

// plain is a word without what changes from export to export: blanks, and
// full-width commas and brackets.
func plain(word string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return r
	}, width.Fold.String(Clean(word)))
}

func (v vocabulary) holds(word string) bool { _, ok := v[plain(word)]; return ok }

// of is what a word in a column means, or a refusal that names the word.
func (v vocabulary) of(column, word string) (meaning, error) {
	said, known := v[plain(word)]
	switch {
	case known:
		return said, nil
	case plain(word) == "":
		return 0, &refusal{column, "is empty"}
	}
	return 0, &refusal{column, fmt.Sprintf("says %s, which is no word that is known here; nothing is guessed from it", shown(word))}
}

// shown is a word in quotes, short, and without what may be somebody's number.
func shown(word string) string {
	runes := []rune(Clean(word))
	digits := 0
	for _, r := range runes {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits > 4 {
		return "a number"
	}
	if len(runes) > 24 {
		runes = append(runes[:24:24], '…')
	}
	return fmt.Sprintf("%q", string(runes))
}
