package export

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
)

// The columns without which a Tmall file cannot be used. Everything else in it
// may come, go and change its place.
var (
	tmallListColumns   = []string{"订单编号", "买家实际支付金额", "订单状态", "订单付款时间"}
	tmallDetailColumns = []string{"主订单编号", "子订单编号", "购买数量", "买家实际支付金额", "退款状态", "退款金额"}
)

// Tmall reads an export of Tmall (天猫), which is a pair: the list of orders
// (ExportOrderList) and the list of their lines (ExportOrderDetailList), joined
// by 主订单编号. Each may come in several files, in any sequence; columns are
// found by their names. now is the time against which events are validated.
//
// Rules: a line's amount is 买家实际支付金额 of the detail. Where an order's
// lines add up to all that was paid although shipping is in that, the shipping
// is taken off them in proportion, the largest remainders first. Lines that add
// up to anything else but the order's amount, with or without the shipping,
// refuse the order: its points would be wrong. A refund counts when 退款状态 is
// 退款成功. An order is unpaid when it has no 订单付款时间 and its status is not
// one that follows a payment. It is completed at 确认收货时间; without that time
// there is no completed event, and the return window runs from the payment.
//
// It fails with a Refusal where a file cannot be read at all, lacks columns or
// has one twice, or where one of the pair is missing.
func Tmall(shop string, now time.Time, files ...File) (Result, error) {
	book := newBook("tmall", shop)
	lists, details := 0, 0
	for _, file := range files {
		header, err := readHeader(file)
		if err != nil {
			return Result{}, err
		}
		switch {
		case len(header.lacking(tmallDetailColumns)) == 0:
			details++
			err = book.each(file, header, book.tmallDetail)
		case !header.has("子订单编号") && len(header.lacking(tmallListColumns)) == 0:
			lists++
			err = book.each(file, header, book.tmallList)
		default:
			return Result{}, lackingTmall(file, header)
		}
		if err != nil {
			return Result{}, err
		}
	}
	switch {
	case details == 0:
		return Result{}, Refusal{File: files[0].Name, Line: 1, Reason: "the list of lines (ExportOrderDetailList) is missing; a Tmall export is a pair of files"}
	case lists == 0:
		return Result{}, Refusal{File: files[0].Name, Line: 1, Reason: "the list of orders (ExportOrderList) is missing; a Tmall export is a pair of files"}
	}
	for _, id := range book.ids {
		book.closeTmall(book.orders[id], now)
	}
	return book.result, nil
}

func lackingTmall(file File, header columns) Refusal {
	wanted, kind := tmallListColumns, "list of orders"
	if header.has("子订单编号") {
		wanted, kind = tmallDetailColumns, "list of lines"
	}
	return Refusal{File: file.Name, Line: 1, Reason: fmt.Sprintf(
		"columns are missing for a Tmall %s: %s (expected %s; if the names look like nonsense, say --encoding gb18030 or utf-8)",
		kind, strings.Join(header.lacking(wanted), ", "), strings.Join(wanted, ", "),
	)}
}

// tmallList reads one order.
func (b *book) tmallList(row record) error {
	id, err := row.id("订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	order.file, order.line = row.file, row.line
	// Whatever is wrong below leaves an order that must not be sent in part.
	order.damaged = true
	if order.paid, err = row.optionalMoney("买家实际支付金额"); err != nil {
		return err
	}
	if order.shipping, err = row.optionalMoney("买家应付邮费"); err != nil {
		return err
	}
	if order.paidAt, err = row.optionalTime("订单付款时间"); err != nil {
		return err
	}
	if order.completed, err = row.optionalTime("确认收货时间"); err != nil {
		return err
	}
	created, err := row.optionalTime("订单创建时间")
	if err != nil {
		return err
	}
	if order.paidAt.IsZero() && followsPayment(row.cell("订单状态")) {
		if order.paidAt = created; created.IsZero() {
			return &refusal{"订单付款时间", "is empty although the order was paid"}
		}
	}
	order.buyer = buyerOf(row.kept("买家会员名"), row.kept("联系手机"))
	order.damaged = false
	return nil
}

// followsPayment is true for the states that only a paid order reaches.
func followsPayment(status string) bool {
	return strings.HasPrefix(status, "买家已付款") || strings.HasPrefix(status, "卖家已发货") || strings.HasPrefix(status, "交易成功")
}

// tmallDetail reads one line.
func (b *book) tmallDetail(row record) error {
	id, err := row.id("主订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	line := foundLine{file: row.file, line: row.line, sku: row.kept("商家编码")}
	if err := row.readTmallLine(&line); err != nil {
		order.damaged = true
		return err
	}
	order.put(line)
	return nil
}

func (r record) readTmallLine(line *foundLine) (err error) {
	if line.id, err = r.id("子订单编号"); err != nil {
		return err
	}
	if line.quantity, err = parseQuantity("购买数量", r.cell("购买数量")); err != nil {
		return err
	}
	if line.paid, err = r.optionalMoney("买家实际支付金额"); err != nil {
		return err
	}
	if r.cell("退款状态") == "退款成功" {
		line.refunded, err = r.money("退款金额")
	}
	return err
}

func parseQuantity(column, text string) (int64, error) {
	quantity, err := strconv.ParseInt(text, 10, 64)
	if err != nil || quantity < 1 || quantity > orders.MaxQuantity {
		return 0, &refusal{column, "is not a number of units like 1"}
	}
	return quantity, nil
}

func (b *book) closeTmall(order *found, now time.Time) {
	if order.line == 0 {
		for _, line := range order.lines {
			b.refuse(line.file, line.line, "主订单编号", "the order of this line is not in the list of orders")
		}
		return
	}
	switch {
	case order.damaged:
		b.refuse(order.file, order.line, "", "the order is left out because a row of it was refused")
		return
	case order.paidAt.IsZero():
		b.result.Unpaid = append(b.result.Unpaid, Unpaid{File: order.file, Line: order.line, OrderID: order.id})
		return
	case len(order.lines) == 0:
		b.refuse(order.file, order.line, "订单编号", "no line of this order is in the list of lines")
		return
	}
	var sum loyalty.Fen
	for _, line := range order.lines {
		sum += line.paid
	}
	switch {
	case sum == order.paid && sum >= order.shipping:
		takeOff(order.lines, order.shipping)
	case sum != order.paid-order.shipping:
		b.refuse(order.file, order.line, "买家实际支付金额", fmt.Sprintf("the order says %s and its lines add up to %s", yuan(order.paid), yuan(sum)))
		return
	}
	b.close(order, now)
}

// takeOff takes an amount off the lines in proportion to what each cost, and
// the fen that do not divide from the lines with the largest remainders,
// earlier lines first. The amount is not more than the lines' sum, so no line
// falls below zero.
func takeOff(lines []foundLine, amount loyalty.Fen) {
	var sum loyalty.Fen
	for _, line := range lines {
		sum += line.paid
	}
	if amount == 0 || sum == 0 {
		return
	}
	type share struct {
		line      int
		remainder uint64
	}
	shares := make([]share, len(lines))
	left := amount
	for i := range lines {
		// 128 bits in between: the product of two amounts may exceed an int64.
		high, low := bits.Mul64(uint64(amount), uint64(lines[i].paid))
		part, remainder := bits.Div64(high, low, uint64(sum))
		lines[i].paid -= loyalty.Fen(part)
		left -= loyalty.Fen(part)
		shares[i] = share{line: i, remainder: remainder}
	}
	slices.SortStableFunc(shares, func(a, b share) int { return cmp.Compare(b.remainder, a.remainder) })
	for i := range left {
		lines[shares[i].line].paid--
	}
}

func yuan(amount loyalty.Fen) string { return fmt.Sprintf("%d.%02d", amount/100, amount%100) }
