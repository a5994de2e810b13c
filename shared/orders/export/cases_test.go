package export_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huitou/huitou/shared/loyalty"
	"github.com/huitou/huitou/shared/orders"
	"github.com/huitou/huitou/shared/orders/export"
)

// summed is an order as a person would check it.
type summed struct {
	ID             string
	Lines          int
	Paid, Refunded loyalty.Fen
}

func sums(result export.Result) (found []summed, refused []string) {
	for _, order := range result.Orders {
		found = append(found, summed{order.OrderID, order.Lines, order.Paid, order.Refunded})
	}
	for _, refusal := range result.Refused {
		refused = append(refused, refusal.Error())
	}
	return found, refused
}

func readTmall(t *testing.T, contents ...string) export.Result {
	t.Helper()
	var files []export.File
	for i, content := range contents {
		files = append(files, csvFile(t, fmt.Sprintf("%d.csv", i), content, export.EncodingAuto))
	}
	result, err := export.Tmall("flagship", now, files...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func readDouyin(t *testing.T, content string) export.Result {
	t.Helper()
	result, err := export.Douyin("flagship", now, csvFile(t, "d.csv", content, export.EncodingAuto))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// The form that Tmall had for years: nothing is quoted, numbers are formulas,
// some cells are an empty formula, and each row ends with a comma.
func TestTheRawFormOfTmallIsRead(t *testing.T) {
	list := `订单编号,买家会员名,买家支付宝账号,买家应付邮费,买家实际支付金额,订单状态,订单创建时间,订单付款时间 ,联系手机` + "\r\n" +
		`="3500000000000000017",t**9,="",0.00,128.50,买家已付款,等待卖家发货,2026-11-01 10:00:00,2026-11-01 10:00:09,'138****0001,` + "\r\n" +
		`="3500000000000000025",k**1,="",10.00,60.00,卖家已发货，等待买家确认,2026-11-01 10:00:00,2026-11-01 10:00:09,="13800000002",` + "\r\n"
	detail := `子订单编号,主订单编号,标题,价格,购买数量,商家编码,买家实际支付金额,退款状态,退款金额,备注` + "\r\n" +
		`="3500000000000000017",="3500000000000000017",12"奶锅,128.50,1,POT-12,128.50,没有申请退款,无退款申请,="",` + "\r\n" +
		`="3500000000000000026",="3500000000000000025",="奶粉,大罐",50.00,2,="",50.00,退款成功,20.00,="",` + "\r\n"
	result := readTmall(t, list, detail)
	found, refused := sums(result)
	if diff := cmp.Diff([]summed{{"3500000000000000017", 1, 12850, 0}, {"3500000000000000025", 1, 5000, 2000}}, found); diff != "" || refused != nil {
		t.Errorf("%s refused %v", diff, refused)
	}
	if got := result.Orders[1].Events()[0]; got.Buyer.Phone != "13800000002" || got.Lines[0].SKU != "" || got.Lines[0].Quantity != 2 {
		t.Errorf("%+v", got)
	}
}

// Since 2024 the columns have other names; the meaning is the same.
func TestTheNamesOfTmallSince2024AreRead(t *testing.T) {
	list := "订单编号,支付单号,支付详情,买家应付货款,买家应付邮费,总金额,买家实付金额,订单状态,订单创建时间,订单付款时间,商品标题,宝贝总数量,退款金额,是否主动赔付,确认收货时间,确认收货打款金额,总金额(旧版)\n" +
		"\"=\"\"3500000000000000017\"\"\",2026,支付方式：微信支付,128.50,0.00,128.50,128.50,\"买家已付款,等待卖家发货\",2026-11-01 10:00:00,2026-11-01 10:00:09,奶粉,1,0.00,否,,,128.50\n" +
		"\"=\"\"3500000000000000025\"\"\",2026,,60.00,0.00,60.00,60.00,交易成功,2026-11-01 10:00:00,2026-11-01 10:00:09,米粉,2,60.00,否,2026-11-09 10:00:00,0.00,60.00\n"
	detail := "子订单编号,主订单编号,商品标题,商品价格,购买数量,外部系统编号,商品属性,订单状态,商家编码,买家应付货款,买家实付金额,退款状态,退款金额,订单创建时间,订单付款时间,商品ID\n" +
		"'3500000000000000017,'3500000000000000017,奶粉,128.50,1,,,\"买家已付款,等待卖家发货\",MILK-900,128.50,128.50,没有申请退款,,2026-11-01 10:00:00,2026-11-01 10:00:09,636\n" +
		"'3500000000000000025,'3500000000000000025,米粉,30.00,2,,,交易成功,RICE-200,60.00,60.00,已全额退款,60.00,2026-11-01 10:00:00,2026-11-01 10:00:09,637\n"
	found, refused := sums(readTmall(t, detail, list))
	if diff := cmp.Diff([]summed{{"3500000000000000017", 1, 12850, 0}, {"3500000000000000025", 1, 6000, 6000}}, found); diff != "" || refused != nil {
		t.Errorf("%s refused %v", diff, refused)
	}
}

// Sellers put both lists into one file before they send it on.
func TestBothListsOfTmallSideBySide(t *testing.T) {
	rows := "1,0.00,60.00,交易成功,2026-11-01 10:00:00,11,1,20.00,没有申请退款,\n" +
		"1,0.00,60.00,交易成功,2026-11-01 10:00:00,12,2,40.00,部分退款成功,5.00\n" +
		"2,8.00,68.00,交易成功,2026-11-01 10:00:00,21,1,60.00,没有申请退款,\n"
	want := []summed{{"1", 2, 6000, 500}, {"2", 1, 6000, 0}}
	for name, header := range map[string]string{
		"the same name twice":   "订单编号,买家应付邮费,买家实付金额,订单状态,订单付款时间,子订单编号,购买数量,买家实付金额,退款状态,退款金额\n",
		"the name of each time": "订单编号,买家应付邮费,买家实际支付金额,订单状态,订单付款时间,子订单编号,购买数量,买家实付金额,退款状态,退款金额\n",
		"joined by a program":   "订单编号,买家应付邮费,买家实付金额_x,订单状态,订单付款时间,子订单编号,购买数量,买家实付金额_y,退款状态,退款金额\n",
	} {
		found, refused := sums(readTmall(t, header+rows))
		if diff := cmp.Diff(want, found); diff != "" || refused != nil {
			t.Errorf("%s: %s refused %v", name, diff, refused)
		}
	}
	// One column of amounts: the lines'. Shipping cannot be told from goods then.
	found, refused := sums(readTmall(t, "主订单编号,买家应付邮费,订单状态,订单付款时间,子订单编号,购买数量,买家实付金额,退款状态,退款金额\n"+
		"1,0.00,交易成功,2026-11-01 10:00:00,11,1,20.00,没有申请退款,\n"+
		"1,0.00,交易成功,2026-11-01 10:00:00,12,2,40.00,部分退款成功,5.00\n"+
		"2,8.00,交易成功,2026-11-01 10:00:00,21,1,60.00,没有申请退款,\n"+
		"3,0.00,等待买家付款,,31,1,,没有申请退款,\n"+
		"4,0.00,交易成功,2026-11-01 10:00:00,41,1,,没有申请退款,\n"+
		"5,1.00,交易成功,2026-11-01 10:00:00,51,1,1.00,没有申请退款,\n"+
		"5,2.00,交易成功,2026-11-01 10:00:00,52,1,1.00,没有申请退款,\n"))
	if diff := cmp.Diff(want[:1], found); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{
		"0.csv:8: 买家应付邮费: says another amount of the order than a row before it",
		"0.csv:4: 买家应付邮费: the file does not say whether the amounts of the lines hold the shipping; give the list of orders, too",
		"0.csv:6: 买家实际支付金额: is empty although the order was paid",
		"0.csv:7: the order is left out because a row of it was refused",
	}, refused); diff != "" {
		t.Error(diff)
	}
	for name, header := range map[string]string{
		"mixed":       "订单编号,子订单编号,买家应付邮费,买家实付金额,订单状态,订单付款时间,购买数量,买家实付金额,退款状态,退款金额\n",
		"three times": "订单编号,买家应付邮费,买家实付金额,订单状态,订单付款时间,子订单编号,购买数量,买家实付金额,退款状态,退款金额,买家实付金额\n",
		"no state":    "订单编号,买家应付邮费,买家实付金额,子订单编号,购买数量,买家实付金额,退款状态,退款金额\n",
	} {
		_, err := export.Tmall("flagship", now, csvFile(t, "0.csv", header+rows, export.EncodingAuto))
		if _, ok := errors.AsType[export.Refusal](err); !ok {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}

// A word of a state gives back what it says, and a word that is not known says
// nothing: the row is refused with it.
func TestWordsOfARefund(t *testing.T) {
	const known, whole, refused = 0, 2890, -1
	douyin := map[string]int64{
		"-": known, "": known, "售后关闭": known, "退款中": known, "待商家收货": known, "补寄/换货，待买家收货": known, "仲裁中": known, "退款关闭": known,
		"退款成功": whole, "同意退款，退款成功": whole, "同意退款, 退款成功": whole, "已全额退款": whole, "全额退款成功": whole,
		"部分退款成功": refused, "已部分退款": refused, "部分退款": refused, "售后成功": refused, "售后完成": refused, "退款成功（部分）": refused, "SUCCESS": refused, "退款": refused,
	}
	for word, want := range douyin {
		result := readDouyin(t, douyinHeader+"1,1,1,A,28.90,0.00,-,2026-10-01 10:00:00,-,已完成,\""+word+"\"\n9,9,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n")
		found, told := sums(result)
		switch {
		case want == refused && (len(found) != 1 || len(told) != 2 || !strings.HasPrefix(told[0], "d.csv:2: 售后状态: says ") || !strings.Contains(told[0], word)):
			t.Errorf("%s: %v, refused %v; want the row refused with the word", word, found, told)
		case want != refused && (len(found) != 2 || found[0].Refunded != loyalty.Fen(want) || len(told) > 0):
			t.Errorf("%s: %v, refused %v; want %d given back", word, found, told, want)
		}
	}
	withAmount := strings.TrimSuffix(douyinHeader, "\n") + ",退款金额\n"
	for word, test := range map[string]struct {
		amount string
		want   int64
	}{
		"部分退款成功": {"8.90", 890}, "退款成功": {"8.90", 890}, "同意退款，退款成功": {"-", whole}, "已全额退款": {"28.90", whole}, "全额退款": {"38.90", whole}, "售后关闭": {"8.90", 0},
		"已部分退款": {"-", refused}, "全额退款成功": {"8.90", refused}, "同意退款,退款成功": {"0.00", refused}, "部分退款": {"1E+01", refused},
	} {
		found, told := sums(readDouyin(t, withAmount+"1,1,1,A,28.90,0.00,-,2026-10-01 10:00:00,-,已完成,\""+word+"\","+test.amount+"\n"))
		if test.want == refused && len(told) != 2 || test.want != refused && (len(found) != 1 || found[0].Refunded != loyalty.Fen(test.want)) {
			t.Errorf("%s %s: %v, refused %v; want %d", word, test.amount, found, told, test.want)
		}
	}
	for word, test := range map[string]struct {
		amount string
		want   int64
	}{
		"没有申请退款": {"无退款申请", 0}, "退款关闭": {"10.00", 0}, "卖家已经同意退款，等待买家退货": {"10.00", 0}, "退款成功": {"3.00", 300}, "部分退款成功": {"3.00", 300}, "已全额退款": {"", 1000}, "全额退款": {"10.00", 1000},
		"部分退款": {"", refused}, "全额退款成功": {"3.00", refused}, "已部分退款": {"无", refused}, "退款完成": {"10.00", refused}, "售后中": {"", refused},
	} {
		found, told := sums(readTmall(t, tmallList+"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-\n", tmallDetail+"1,1,1,10.00,\""+word+"\","+test.amount+"\n"))
		if test.want == refused && len(told) != 2 || test.want != refused && (len(found) != 1 || found[0].Refunded != loyalty.Fen(test.want)) {
			t.Errorf("%s %s: %v, refused %v; want %d", word, test.amount, found, told, test.want)
		}
	}
}

// Lines that stand in one row joined with ";" keep each its own state.
func TestJoinedLinesHaveEachItsState(t *testing.T) {
	row := func(states string) string {
		return douyinHeader + "1,11;12,1;1,A;B,10.00;20.00,0.00,-,2026-10-01 10:00:00,-,已发货," + states + "\n"
	}
	for states, want := range map[string]loyalty.Fen{"-": 0, "退款成功": 3000, "退款成功;-": 1000, "-；退款成功": 2000, "退款成功;退款成功": 3000} {
		if found, refused := sums(readDouyin(t, row(states))); len(found) != 1 || found[0].Refunded != want {
			t.Errorf("%s: %v, %v; want %d given back", states, found, refused, want)
		}
	}
	for _, states := range []string{"退款成功;-;-", "退款成功;退款完成"} {
		if found, refused := sums(readDouyin(t, row(states))); len(found) != 0 || len(refused) != 2 {
			t.Errorf("%s: %v, %v; want it refused", states, found, refused)
		}
	}
	// One amount for both lines: a part of it cannot be told.
	found, refused := sums(readDouyin(t, douyinHeader+"1,11;12,1;1,A;B,30.00,0.00,-,2026-10-01 10:00:00,-,已发货,退款成功;-\n"))
	if len(found) != 0 || len(refused) != 2 {
		t.Errorf("%v, %v", found, refused)
	}
}

// A state and a time that say different things, or a state that nobody knows,
// refuse the row; a closed order was paid when it has a time of payment.
func TestWordsOfAnOrder(t *testing.T) {
	for _, test := range []struct{ state, paidAt, want string }{
		{"买家已付款,等待卖家发货", "2026-11-01 10:00:00", "paid"},
		{"卖家部分发货", "2026-11-01 10:00:00", "paid"},
		{"交易关闭", "2026-11-01 10:00:00", "paid"},
		{"交易关闭", "", "unpaid"},
		{"等待买家付款", "", "unpaid"},
		{"等待买家付款", "2026-11-01 10:00:00", "0.csv:2: 订单状态: says that the order was not paid, and 订单付款时间 says when it was"},
		{"交易成功", "", "0.csv:2: 订单付款时间: is empty although the order was paid"},
		{"定金已付", "2026-11-01 10:00:00", `0.csv:2: 订单状态: says "定金已付", which is no word that is known here; nothing is guessed from it`},
		{"", "2026-11-01 10:00:00", "0.csv:2: 订单状态: is empty"},
		{"13800000001", "2026-11-01 10:00:00", "0.csv:2: 订单状态: says a number, which is no word that is known here; nothing is guessed from it"},
	} {
		result := readTmall(t, tmallList+"1,0.00,10.00,\""+test.state+"\","+test.paidAt+",-\n", tmallDetail+"1,1,1,10.00,没有申请退款,\n")
		found, refused := sums(result)
		got := slices.Concat(refused, slices.Repeat([]string{"paid"}, len(found)), slices.Repeat([]string{"unpaid"}, len(result.Unpaid)))
		if len(got) == 0 || got[0] != test.want {
			t.Errorf("%s %s: %v, want %s", test.state, test.paidAt, got, test.want)
		}
	}
	withTime := strings.Replace(douyinHeader, "订单提交时间", "支付完成时间", 1)
	for _, test := range []struct{ state, paidAt, back, want string }{
		{"已发货", "2026-11-01 10:00:00", "-", "paid"},
		{"已关闭", "2026-11-01 10:00:00", "退款成功", "paid"},
		{"已关闭", "-", "-", "unpaid"},
		{"待支付", "-", "-", "unpaid"},
		{"待支付", "2026-11-01 10:00:00", "-", "d.csv:2: 订单状态: says that the line was not paid, and 支付完成时间 says when it was"},
		{"已发货", "-", "-", "d.csv:2: 支付完成时间: is empty although the line was paid"},
		{"已关闭", "-", "退款成功", "d.csv:2: 支付完成时间: is empty although the line was paid"},
		{"已完结", "2026-11-01 10:00:00", "-", `d.csv:2: 订单状态: says "已完结", which is no word that is known here; nothing is guessed from it`},
	} {
		result := readDouyin(t, withTime+"1,1,1,A,10.00,0.00,-,"+test.paidAt+",-,"+test.state+","+test.back+"\n")
		found, refused := sums(result)
		got := slices.Concat(refused, slices.Repeat([]string{"paid"}, len(found)), slices.Repeat([]string{"unpaid"}, len(result.Unpaid)))
		if len(got) == 0 || got[0] != test.want {
			t.Errorf("%s %s: %v, want %s", test.state, test.paidAt, got, test.want)
		}
	}
}

// A number that a spreadsheet destroyed is refused with the reason, never taken
// for absent; one that a platform hides is absent.
func TestNumbersThatASpreadsheetDestroyed(t *testing.T) {
	detail := tmallDetail + "1,1,1,10.00,没有申请退款,\n"
	for phone, want := range map[string]orders.Buyer{
		"": {}, "-": {}, "138****0001": {PhoneLast4: "0001"}, "'*******6065": {PhoneLast4: "6065"}, "##密文": {}, "$$密文": {}, "13800000001-1234": {}, "021-55550001": {}, "0571-88880001-12": {}, "400-800-0001": {},
		"13800000001": {Phone: "13800000001"}, "13800000001.0": {Phone: "13800000001"}, "+86 138 0000 0001": {Phone: "13800000001"}, "86-13800000001": {Phone: "13800000001"}, "１３８０００００００１": {Phone: "13800000001"},
		"138-0000-0001": {Phone: "13800000001"}, "0085291234567": {Phone: "+85291234567"},
	} {
		list := strings.TrimSuffix(tmallList, "\n") + ",联系手机\n1,0.00,10.00,交易成功,2026-11-01 10:00:00,-," + phone + "\n"
		result := readTmall(t, list, detail)
		if len(result.Orders) != 1 {
			t.Errorf("%s: refused %v", phone, result.Refused)
		} else if diff := cmp.Diff(want, result.Orders[0].Events()[0].Buyer); diff != "" {
			t.Errorf("%s: %s", phone, diff)
		}
	}
	for _, test := range []struct{ row, want string }{
		{"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-,1.39E+10", "0.csv:2: 联系手机: a spreadsheet has rounded the number; export the file again and do not save it"},
		{"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-,1.39e+10", "0.csv:2: 联系手机: a spreadsheet has rounded"},
		{"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-,1380000000", "0.csv:2: 联系手机: is not a phone number"},
		{"1,0.00,10.00,交易成功,2026-11-01 10:00:00,-,#VALUE!", "0.csv:2: 联系手机: holds a formula or its error"},
		{"2.15612E+17,0.00,10.00,交易成功,2026-11-01 10:00:00,-,", "0.csv:2: 订单编号: a spreadsheet has rounded the number"},
		{"1,0.00,10.00,交易成功,45962.41667,-,", "0.csv:2: 订单付款时间: a spreadsheet has turned the time into a number"},
		{"1,0.00,10.00,交易成功,########,-,", "0.csv:2: 订单付款时间: a spreadsheet has turned the time into a number"},
		{"1,0.00,1E+01,交易成功,2026-11-01 10:00:00,-,", "0.csv:2: 买家实际支付金额: is not an amount"},
	} {
		list := strings.TrimSuffix(tmallList, "\n") + ",联系手机\n" + test.row + "\n"
		if found, refused := sums(readTmall(t, list, detail)); len(found) != 0 || len(refused) == 0 || !strings.HasPrefix(refused[0], test.want) {
			t.Errorf("%s: %v, refused %v; want %s", test.row, found, refused, test.want)
		}
	}
	buyer := strings.TrimSuffix(tmallList, "\n") + ",买家会员名\n1,0.00,10.00,交易成功,2026-11-01 10:00:00,-,2.2E+12\n"
	if found, refused := sums(readTmall(t, buyer, detail)); len(found) != 0 || len(refused) == 0 {
		t.Errorf("a rounded name: %v, %v", found, refused)
	}
}

// A spreadsheet that saved order numbers as numbers put zeros behind the 15th
// digit of each. One number may end so by itself.
func TestOrderNumbersThatAllEndInZeros(t *testing.T) {
	row := func(id string) string {
		return id + "," + id + ",1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"
	}
	found, refused := sums(readDouyin(t, douyinHeader+row("691792676882364000")+row("691792676882365000")))
	if len(found) != 0 || len(refused) != 2 || !strings.Contains(refused[0], "every order number ends in zeros") {
		t.Errorf("%v, %v", found, refused)
	}
	for name, rows := range map[string]string{
		"one is true":      row("691792676882364000") + row("691792676882365001"),
		"marked as a text": row("'691792676882364000") + row("'691792676882365000"),
		"only one":         row("691792676882364000"),
		"short":            row("1000") + row("2000"),
	} {
		if found, refused := sums(readDouyin(t, douyinHeader+rows)); len(found) != strings.Count(rows, "\n") || refused != nil {
			t.Errorf("%s: %v, %v", name, found, refused)
		}
	}
}

// A row of too few or too many cells names its order where it can, and the
// order is left out: the rest of it would give other points.
func TestARowThatDoesNotFitCostsItsOrder(t *testing.T) {
	good := "1,11,1,A,10.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"
	for _, bad := range []string{"1,12,1\n", "1,12,1,A,1,000.00,0.00,-,2026-10-01 10:00:00,-,已发货,-\n"} {
		for _, rows := range []string{good + bad, bad + good} {
			if found, refused := sums(readDouyin(t, douyinHeader+rows+strings.Replace(good, "1,11", "9,9", 1))); len(found) != 1 || found[0].ID != "9" || len(refused) != 2 {
				t.Errorf("%v, %v", found, refused)
			}
		}
	}
}

// Cells of a formula mean what they show.
func TestClean(t *testing.T) {
	for cell, want := range map[string]string{
		`="35"`: "35", `=""`: "", ` ="35" `: "35", `="a""b"`: `a"b`, `=T("35")`: "35", `=35`: "35", `=35.5`: "35.5", "\t35": "35", "'35": "35", `="'35"`: "35", "-": "", "\u200b35\ufeff": "35",
		`="a"&"b"`: `="a"&"b"`, `=A1`: `=A1`, `="35`: `="35`, `=`: `=`, `=1+1`: `=1+1`, `= 35`: `= 35`,
	} {
		if got := export.Clean(cell); got != want {
			t.Errorf("%s became %q, want %q", cell, got, want)
		}
	}
}

// FuzzCSV: every line is read or refused once, no cell holds what the text does
// not, and no row is lost.
func FuzzCSV(f *testing.F) {
	for _, seed := range []string{"a,b\n", "=\"35\",\"x\n", "\"a\"\"b\" , c\r\nd", "=\"a,b\",=\"\",\n", "\"a\"b\n\"c\"\n", "a\rb\r"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		rows, err := export.NewCSV(strings.NewReader(string(raw)), export.EncodingAuto)
		if err != nil {
			return
		}
		before := 0
		for {
			row, err := rows.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			line := row.Line
			if bad, ok := errors.AsType[*export.BadRow](err); ok {
				line = bad.Line
			} else if err != nil {
				t.Fatal(err)
			}
			if line <= before {
				t.Fatalf("line %d follows line %d", line, before)
			}
			before = line
			if err == nil && len(row.Cells) == 0 {
				t.Fatal("a row without a cell")
			}
		}
	})
}
