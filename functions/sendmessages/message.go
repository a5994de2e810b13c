package sendmessages

import (
	"fmt"
	"strings"
	"time"

	"github.com/huitou/huitou/shared/notify"
	"github.com/huitou/huitou/shared/program"
	"github.com/huitou/huitou/shared/store"
)

// optOut is the way out that every marketing message must name: 《通信短信息服务管理规定》
// asks for a convenient one, and the operators refuse texts without it.
const optOut = "拒收请回复R"

// namesMost is how many kinds of goods a text names. A text message has 70
// characters, and the name of a category up to 20.
const namesMost = 3

// message words a reminder of goods, in the message that is named by the first
// ones. The link leads to where the member first bought (从一而终), or to the
// brand's default.
func message(rules program.Document, account store.Account, named store.First, goods []notify.Goods, now time.Time) notify.Message {
	link, ok := rules.Brand.Links[string(account.Home)]
	if !ok {
		link = rules.Brand.Links[""]
	}
	categories, titles := make([]string, len(goods)), make([]string, len(goods))
	for i, g := range goods {
		categories[i], titles[i] = g.Category, rules.Repurchase.Title(g.Category)
	}
	names := strings.Join(titles[:min(namesMost, len(titles))], "、")
	if len(titles) > namesMost {
		names += fmt.Sprintf("等%d样", len(titles))
	}
	text := fmt.Sprintf("【%s】您上次买的%s快用完了，现在补上正好", rules.Brand.Name, names)
	if link != "" {
		text += "：" + link
	}
	// A blank after the link, so that no phone takes what follows for a part of it.
	text += " " + optOut
	return notify.Message{
		ID: notify.ReminderID(account.Member, named.Category, named.Bought), Member: account.Member, Kind: notify.KindRepurchase,
		Category: categories[0], Categories: categories, Channel: account.Home, Text: text, Link: link, At: now.UTC(),
	}
}
