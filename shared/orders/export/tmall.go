package export

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/loyalty"
)

// The columns without which a Tmall file cannot be used, those that are read
// beside them, and other names that they have had. Everything else in a file
// may come, go and change its place.
var (
	tmallListColumns   = []string{"订单编号", "买家实际支付金额", "订单状态", "订单付款时间"}
	tmallDetailColumns = []string{"主订单编号", "子订单编号", "购买数量", "买家实际支付金额", "退款状态", "退款金额"}
	tmallListMore      = []string{"买家应付邮费", "确认收货时间", "订单创建时间", "买家会员名", "联系手机"}
	tmallNames         = spellings{
		"订单号": "订单编号", "主订单号": "主订单编号", "子订单号": "子订单编号",
		"买家实付金额": "买家实际支付金额", "买家昵称": "买家会员名", "收货人手机": "联系手机", "收货人手机号": "联系手机",
	}
	tmallWords = map[string]vocabulary{"订单状态": tmallOrders, "退款状态": tmallRefunds}

	// Columns that only one of the two lists has tell where it begins in a file
	// of both.
	onlyInTmallList   = []string{"订单编号", "买家应付邮费", "买家会员名", "总金额", "收货人姓名", "联系手机", "确认收货时间", "宝贝总数量"}
	onlyInTmallDetail = []string{"子订单编号", "购买数量", "退款状态"}
)

// Tmall reads an export of Tmall (天猫), which is a pair: the list of orders
// (ExportOrderList) and the list of their lines (ExportOrderDetailList), joined
// by 主订单编号. Each may come in several files, in any sequence, and both may
// stand in one file that has their columns side by side; columns are found by
// their names, those before 2024 and those since. now is the time against which
// events are validated.
//
// Rules: a line's amount is 买家实际支付金额 of the detail. Where an order's
// lines add up to all that was paid although shipping is in that, the shipping
// is taken off them in proportion, the largest remainders first. Lines that add
// up to anything else but the order's amount, with or without the shipping,
// refuse the order: its points would be wrong. What was given back is 退款金额
// where 退款状态 is 退款成功 or 部分退款成功, and the whole line at 已全额退款. An
// order is paid or not by 订单状态, and at 交易关闭 by whether it has 订单付款时间;
// where the two say different things the order is refused. It is completed at
// 确认收货时间; without that time there is no completed event, and the return
// window runs from the payment.
//
// A row is refused where a word of a state is not known, where a spreadsheet has
// rounded a number, and where an amount, time or phone cannot be read. An order
// of which a row is refused is left out whole, because what is left of it would
// give other points. A row whose order number cannot be read belongs to no order
// that could be named; its order fails because its lines do not add up.
//
// It fails with a Refusal where a file cannot be read at all, lacks columns or
// has one twice, or where one of the pair is missing.
func Tmall(shop string, now time.Time, files ...File) (Result, error) {
	book := newBook("tmall", shop)
	lists, details := 0, 0
	for _, file := range files {
		header, err := readHeader(file, tmallNames)
		if err != nil {
			return Result{}, err
		}
		isDetail := header.has("子订单编号")
		switch {
		case isDetail && header.has("买家应付邮费"):
			list, detail, err := tmallSides(file, header)
			if err != nil {
				return Result{}, err
			}
			lists, details = lists+1, details+1
			if err := book.each(file, detail, "主订单编号", tmallWords, func(row record) error { return book.tmallBoth(row, list) }); err != nil {
				return Result{}, err
			}
			continue
		case isDetail && len(header.lacking(tmallDetailColumns)) == 0:
			details++
			if err = header.once(file, append(tmallDetailColumns, "商家编码")); err == nil {
				err = book.each(file, header, "主订单编号", tmallWords, book.tmallDetail)
			}
		case !isDetail && len(header.lacking(tmallListColumns)) == 0:
			lists++
			if err = header.once(file, slices.Concat(tmallListColumns, tmallListMore)); err == nil {
				err = book.each(file, header, "订单编号", tmallWords, book.tmallList)
			}
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

// tmallSides are the two lists of a file that has both side by side, a line in
// each row. A column that stands twice belongs once to each, in the sequence of
// the lists; one that stands once belongs to both, but an amount to the lines.
func tmallSides(file File, header columns) (list, detail columns, err error) {
	list = columns{width: header.width, at: maps.Clone(header.at)}
	detail = columns{width: header.width, at: header.at}
	if !header.has("主订单编号") && header.has("订单编号") {
		detail.at["主订单编号"] = header.at["订单编号"]
	}
	listFirst := ends(header, onlyInTmallList).last < ends(header, onlyInTmallDetail).first
	detailFirst := ends(header, onlyInTmallDetail).last < ends(header, onlyInTmallList).first
	if len(header.twice["买家实际支付金额"]) == 0 {
		delete(list.at, "买家实际支付金额")
	}
	for name, places := range header.twice {
		switch {
		case !slices.Contains(slices.Concat(tmallListColumns, tmallListMore, tmallDetailColumns, []string{"商家编码"}), name):
		case len(places) > 2, !listFirst && !detailFirst:
			return list, detail, Refusal{File: file.Name, Line: 1, Column: name, Reason: "the column stands twice in the header"}
		case listFirst:
			list.at[name], detail.at[name] = places[0], places[1]
		default:
			list.at[name], detail.at[name] = places[1], places[0]
		}
	}
	wanted := slices.Concat(tmallDetailColumns, []string{"订单状态", "订单付款时间"})
	if lacking := detail.lacking(wanted); len(lacking) > 0 {
		return list, detail, Refusal{File: file.Name, Line: 1, Reason: fmt.Sprintf(
			"columns are missing for a Tmall list of orders and lines: %s (expected %s)", strings.Join(lacking, ", "), strings.Join(wanted, ", "),
		)}
	}
	return list, detail, nil
}

// ends are the first and the last place of some columns.
func ends(header columns, names []string) (found struct{ first, last int }) {
	found.first, found.last = header.width, -1
	for _, name := range names {
		if at, ok := header.at[name]; ok {
			found.first, found.last = min(found.first, at), max(found.last, at)
		}
	}
	return found
}

// tmallBoth reads a line with its order beside it.
func (b *book) tmallBoth(row record, list columns) error {
	id, err := b.number(row, "主订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	before, first := *order, order.line == 0
	if first {
		order.file, order.line = row.file, row.line
	}
	beside := row
	beside.columns = list
	if err := beside.readTmallOrder(order); err != nil {
		order.damaged = true
		return err
	}
	if !first && (order.paid != before.paid || order.shipping != before.shipping) {
		order.damaged = true
		return &refusal{"买家应付邮费", "says another amount of the order than a row before it"}
	}
	if !first && order.paidAt.IsZero() {
		order.paidAt = before.paidAt
	}
	return b.readTmallDetail(order, row)
}

// tmallList reads one order.
func (b *book) tmallList(row record) error {
	id, err := b.number(row, "订单编号")
	if err != nil {
		return err
	}
	order := b.order(id)
	order.file, order.line = row.file, row.line
	// Whatever is wrong below leaves an order that must not be sent in part.
	order.damaged = true
	if err := row.readTmallOrder(order); err != nil {
		return err
	}
	order.damaged = false
	return nil
}

func (r record) readTmallOrder(order *found) (err error) {
	said, err := tmallOrders.of("订单状态", r.cell("订单状态"))
	if err != nil {
		return err
	}
	order.noAmount = r.cell("买家实际支付金额") == ""
	if order.paid, err = r.optionalMoney("买家实际支付金额"); err != nil {
		return err
	}
	if order.shipping, err = r.optionalMoney("买家应付邮费"); err != nil {
		return err
	}
	if order.paidAt, err = r.optionalTime("订单付款时间"); err != nil {
		return err
	}
	if order.completed, err = r.optionalTime("确认收货时间"); err != nil {
		return err
	}
	created, err := r.optionalTime("订单创建时间")
	switch {
	case err != nil:
		return err
	case said == unpaid && !order.paidAt.IsZero():
		return &refusal{"订单状态", "says that the order was not paid, and 订单付款时间 says when it was"}
	case said == paid && order.paidAt.IsZero() && created.IsZero():
		return &refusal{"订单付款时间", "is empty although the order was paid"}
	case said == paid && order.paidAt.IsZero():
		order.paidAt = created
	}
	order.buyer, err = r.buyer("买家会员名", "联系手机")
	return err
}

// tmallDetail reads one line.
func (b *book) tmallDetail(row record) error {
	id, err := b.number(row, "主订单编号")
	if err != nil {
		return err
	}
	return b.readTmallDetail(b.order(id), row)
}

func (b *book) readTmallDetail(order *found, row record) error {
	line := foundLine{file: row.file, line: row.line}
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
	if line.sku, err = r.sku("商家编码"); err != nil {
		return err
	}
	if line.quantity, err = parseQuantity("购买数量", r.cell("购买数量")); err != nil {
		return err
	}
	line.noAmount = r.cell("买家实际支付金额") == ""
	if line.paid, err = r.optionalMoney("买家实际支付金额"); err != nil {
		return err
	}
	line.refunded, err = tmallRefunds.refund(line.paid, "退款状态", r.cell("退款状态"), "退款金额", r.cell("退款金额"))
	return err
}

func (b *book) closeTmall(order *found, now time.Time) {
	if order.line == 0 {
		for _, line := range order.lines {
			b.refuse(line.file, line.line, "主订单编号", "the order of this line is not in the list of orders")
		}
		return
	}
	if why := b.leftOut(order); why != "" {
		b.refuse(order.file, order.line, "", why)
		return
	}
	switch {
	case order.paidAt.IsZero():
		b.result.Unpaid = append(b.result.Unpaid, Unpaid{File: order.file, Line: order.line, OrderID: order.id})
		return
	case len(order.lines) == 0:
		b.refuse(order.file, order.line, "订单编号", "no line of this order is in the list of lines")
		return
	}
	var sum loyalty.Fen
	for _, line := range order.lines {
		if line.noAmount {
			b.refuse(line.file, line.line, "买家实际支付金额", "is empty although the order was paid")
			return
		}
		sum += line.paid
	}
	switch {
	case order.noAmount && order.shipping > 0:
		b.refuse(order.file, order.line, "买家应付邮费", "the file does not say whether the amounts of the lines hold the shipping; give the list of orders, too")
		return
	case order.noAmount:
		// A file of both lists that has one column of amounts: those of the lines.
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
