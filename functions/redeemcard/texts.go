package redeemcard

import "github.com/huitou/huitou/shared/cards"

// text is every word of the page in one language.
type text struct {
	Lang, OtherName string

	Words     map[cards.Form]words // where every card of the form wins
	Uncertain map[cards.Form]words // where some card gives nothing
	Phone     string
	PhoneHint string
	BadPhone  string
	Consent   string // legend
	Member    string
	// Agreement and PrivacyNotice are the texts that joining agrees to.
	Agreement, PrivacyNotice string
	LegalBefore              string
	Marketing                string
	Personal                 string
	Required                 string
	Optional                 string
	NeedsJoin                string
	Wait                     string
	Privacy                  string

	Won, Missed, Cover, Hint, ShowNow, Open string
	Points, RedPacket, RedPacketNote        string
	Gift, GiftNote, Coupon, Off             string
	NoPrize, NoPrizeNote                    string
	Reserved, ReservedHow, Credited         string
	Proved, ProvedHow                       string
	FriendTitle, AddFriend                  string
	FriendQR, FriendScan                    string
	ReservedFriend, FriendWhy               string
	ClaimTitle, ClaimHow, Claim             string
	ClaimElsewhere, ClaimState              string // where the page cannot take one; what became of one
	ClaimShop, ClaimShopHint, BadShop       string
	ClaimOrder, ClaimOrderHint, BadOrder    string
	ClaimProof, ClaimProofHint, BadProof    string
	ClaimSend, ClaimMore                    string
	Claimed, ClaimedWhat, ClaimFull         string

	Taken, TakenOn, NotYou, WasYou, ShowMine string
	Missing, MissingWhy, Mistyped            string
	Trouble, TroubleWhy                      string
	Throttled, ThrottledWhy                  string
	Challenge, ChallengeWhy, GoOn            string

	Rules, RulesLink, Window, Contact     string
	Pool, PoolPrize, PoolCount, PoolShare string // what the batch holds
	PoolDrawn, FewerThan                  string
	OptOut, OptOutHow                     string
	WithdrawPhone, Withdraw               string
	Withdrawn, WithdrawnWhat              string
}

// words are what stands on a form's page before the draw.
type words struct {
	Headline, Lead string
	Teaser         string // on the closed card
	Submit         string
}

func (t text) title(p page) string {
	switch p.View {
	case viewTaken:
		return t.Taken
	case viewMissing:
		return t.Missing
	case viewWithdrawn:
		if p.PhoneError {
			return t.OptOut
		}
		return t.Withdrawn
	case viewClaimed:
		if len(p.Claim.Wrong) > 0 || p.Claim.Full {
			return t.ClaimTitle
		}
		return t.Claimed
	case viewHeld:
		return t.Hold().Held
	case viewVoided:
		return t.Hold().Voided
	case viewAppealed:
		if p.PhoneError {
			return t.Hold().Appeal
		}
		return t.Hold().Appealed
	case viewTrouble:
		return t.Trouble
	case viewThrottled:
		return t.Throttled
	case viewChallenge:
		return t.Challenge
	case viewPrize:
		if p.Prize.Kind == cards.PrizeNone {
			return t.Missed
		}
		return t.Won
	}
	return p.Headline
}

var texts = map[string]text{
	"zh-CN": {
		Lang: "zh-CN", OtherName: "English",
		Words: map[cards.Form]words{
			cards.FormScratch: {"刮一刮，开好礼", "感谢选择我们。填好手机号，刮开属于您的惊喜。", "刮开有惊喜", "确认，去刮奖"},
			cards.FormReveal:  {"张张有礼，即刻揭晓", "感谢选择我们。每张卡都有一份心意，填好手机号即可揭晓。", "100% 有礼", "揭晓我的好礼"},
			cards.FormPlain:   {"谢谢惠顾，礼在此处", "感谢选择我们。填好手机号，领取随包裹寄到的心意。", "随包好礼", "立即领取"},
		},
		Uncertain: map[cards.Form]words{
			cards.FormScratch: {"刮一刮，看看手气", "感谢选择我们。填好手机号，刮开看看结果；奖品与数量见下方。", "刮开见分晓", "确认，去刮奖"},
			cards.FormPlain:   {"谢谢惠顾，看看这张卡", "感谢选择我们。填好手机号，看看这张卡带来了什么；部分卡有奖品，数量见下方。", "部分卡有奖品", "查看结果"},
		},
		Phone: "手机号", PhoneHint: "请输入 11 位手机号", BadPhone: "请填写正确的手机号，例如 11 位的大陆手机号。",
		Consent: "授权与同意", Required: "必选", Optional: "可选",
		Member:    "我同意加入会员，并用此手机号识别我的会员身份",
		Agreement: "《会员协议》", PrivacyNotice: "《隐私政策》", LegalBefore: "同意前请阅读（%s 版）：",
		Marketing: "愿意收到优惠与活动通知，可随时退订",
		Personal:  "允许根据我的购买记录推荐优惠，可随时关闭",
		NeedsJoin: "继续之前需要同意加入会员。",
		Wait:      "正在为您打开…",
		Privacy:   "手机号仅用于识别您的奖品与会员身份；同意可随时撤回，也可要求删除资料。",
		Won:       "恭喜，获得好礼", Missed: "谢谢参与", Cover: "刮开这里", Hint: "用手指刮开涂层", ShowNow: "直接查看结果", Open: "点击揭晓",
		Points: "积分", RedPacket: "现金红包", RedPacketNote: "核实身份后发放",
		Gift: "随单赠礼", GiftNote: "随您的下一笔订单寄出", Coupon: "优惠券", Off: "满 ¥%s 减 ¥%s",
		NoPrize: "这次擦肩而过", NoPrizeNote: "好运在路上，期待下次相见",
		Reserved:    "已为尾号 %s 的手机保留",
		ReservedHow: "核实手机号属于您本人后，奖品归入您的会员账户。再次打开本卡，填写同一手机号即可查看。",
		Credited:    "已放入您的会员账户。",
		Proved:      "这份奖品已放入核实身份的会员账户。",
		ProvedHow:   "如果添加企业微信的是您本人，奖品就在您的会员账户里；如果不是，请联系品牌。",
		FriendTitle: "添加我们的企业微信", AddFriend: "立即添加",
		FriendQR: "企业微信二维码，识别后添加我们", FriendScan: "长按识别二维码，或用另一部手机的微信扫一扫",
		ReservedFriend: "添加下方的企业微信后，奖品立即放入您的会员账户。请勿转发二维码：谁先添加，奖品归谁；已添加的无需重复。",
		FriendWhy:      "添加企业微信后，奖品与认领的订单一并放入您的会员账户。",
		ClaimTitle:     "这个包裹的订单也能换积分", ClaimHow: "填写订单号与收货手机号后四位，核对无误后积分自动入账。", Claim: "凭订单号认领积分",
		ClaimElsewhere: "在会员中心填写订单号与收货手机号后四位，核对无误后积分自动入账。", ClaimState: "在会员中心查看认领结果",
		ClaimShop: "购买的店铺", ClaimShopHint: "请选择店铺", BadShop: "请选择购买的店铺。",
		ClaimOrder: "订单号", ClaimOrderHint: "在订单详情中复制", BadOrder: "请填写订单详情中的完整订单号。",
		ClaimProof: "收货手机号后四位，或平台会员名", ClaimProofHint: "四位数字，或完整的会员名", BadProof: "请填写收货手机号后四位；平台隐藏了号码的，填写下单账号完整的会员名。",
		ClaimSend: "认领这笔订单", ClaimMore: "再认领一笔订单",
		Claimed: "已收到您的认领", ClaimedWhat: "订单与核对信息一致后，积分自动放入领取本卡奖品的会员账户；订单晚到也不用重新提交。", ClaimFull: "这张卡可以认领的订单数已满。其他订单请联系品牌，或在会员中心认领。",
		Taken: "这张卡已经兑换过了", TakenOn: "兑换日期：%s", NotYou: "如果不是您本人操作，请联系品牌，我们会为您核实。",
		WasYou: "是我兑换的，查看我的奖品", ShowMine: "查看我的奖品",
		Missing: "暂时无法兑换这张卡", MissingWhy: "卡码可能输入有误，或活动尚未开始、已经结束。请核对卡面上的卡码；如有疑问，请联系品牌。",
		Mistyped: "卡码里似乎有一位不对，请再核对一遍字母与数字。",
		Trouble:  "页面开了小差", TroubleWhy: "请稍后再试一次，您的奖品不会丢失。",
		Throttled: "卡码输错次数过多", ThrottledWhy: "请约 %d 分钟后再输入卡码。也可以直接扫描卡上的二维码，扫码不受此限制。",
		Challenge: "正在核对，请稍候", ChallengeWhy: "此刻有人在大量试输卡码。请不要关闭页面，最多约 1 分钟后会自动继续。也可以直接扫描卡上的二维码，扫码无需等待。", GoOn: "没有自动继续？请点这里",
		Rules: "活动规则", RulesLink: "查看奖品数量与完整规则", Window: "活动时间：%s 至 %s", Contact: "联系品牌",
		Pool: "本批次共 %d 张卡", PoolPrize: "奖品", PoolCount: "张数", PoolShare: "占比", FewerThan: "不足 ",
		PoolDrawn:     "每张卡的结果在生成时已随机确定，与领取先后、购买金额无关。",
		OptOut:        "撤回同意、退订与删除资料",
		OptOutHow:     "两项可选同意不影响领奖；手机号核实之前，我们不会向它发送任何消息。您可以随时撤回任何一项同意、退订通知或要求删除资料：通过下面的方式告诉我们即可，无需说明理由；设有会员中心的，也可在其中直接关闭。",
		WithdrawPhone: "兑换本卡的手机号", Withdraw: "撤回可选同意",
		Withdrawn: "已按您的要求处理", WithdrawnWhat: "如果这个手机号兑换过本卡，随卡给出的两项可选同意已经撤回；奖品不受影响。要退出会员或删除资料，请联系品牌。",
	},
	"en": {
		Lang: "en", OtherName: "中文",
		Words: map[cards.Form]words{
			cards.FormScratch: {"Scratch for your gift", "Thank you for choosing us. Enter your phone number, then scratch to see what is yours.", "Scratch & win", "Continue to the card"},
			cards.FormReveal:  {"Every card wins", "Thank you for choosing us. There is something in every card; enter your phone number to see yours.", "Always a win", "Reveal my gift"},
			cards.FormPlain:   {"A gift with our thanks", "Thank you for choosing us. Enter your phone number to collect what came with your parcel.", "A gift inside", "Collect my gift"},
		},
		Uncertain: map[cards.Form]words{
			cards.FormScratch: {"Scratch and see", "Thank you for choosing us. Enter your phone number, then scratch to see the result; prizes and quantities are below.", "Scratch to see", "Continue to the card"},
			cards.FormPlain:   {"With our thanks", "Thank you for choosing us. Enter your phone number to see what this card holds; some cards have a prize, as the list below says.", "Some cards win", "See the result"},
		},
		Phone: "Phone number", PhoneHint: "11 digits, or + and country code", BadPhone: "Please enter a valid phone number, with + and the country code if it is not from mainland China.",
		Consent: "Your consent", Required: "required", Optional: "optional",
		Member:    "I join the membership and agree to be recognised by this phone number",
		Agreement: "Member agreement", PrivacyNotice: "Privacy notice", LegalBefore: "Please read before you agree (version %s):",
		Marketing: "Send me offers and news; I can unsubscribe at any time",
		Personal:  "Choose offers by what I bought; I can turn this off at any time",
		NeedsJoin: "Please agree to join before you go on.",
		Wait:      "Opening…",
		Privacy:   "Your number is used only to recognise your prize and membership. You can withdraw consent or have your data erased at any time.",
		Won:       "Congratulations", Missed: "Thank you for playing", Cover: "Scratch here", Hint: "Scratch the layer with a finger", ShowNow: "Show the result", Open: "Tap to reveal",
		Points: "points", RedPacket: "cash red packet", RedPacketNote: "paid out once we know it is you",
		Gift: "gift", GiftNote: "comes with your next order", Coupon: "coupon", Off: "¥%[2]s off from ¥%[1]s",
		NoPrize: "Not this time", NoPrizeNote: "Better luck with your next card",
		Reserved:    "Kept for the phone ending in %s",
		ReservedHow: "Once it is confirmed that the number is yours, the prize is in your account. Open this card again with the same number to see it.",
		Credited:    "It is in your member account.",
		Proved:      "The prize is in the account of the member who proved it.",
		ProvedHow:   "If it was you who added us on WeCom, it is in your member account. If not, please contact the brand.",
		FriendTitle: "Add us on WeCom", AddFriend: "Add us now",
		FriendQR: "QR code that adds us on WeCom", FriendScan: "Press and hold the code, or scan it with WeChat on another phone",
		ReservedFriend: "Add us on WeCom below and the prize is in your account at once. Do not pass the code on: whoever adds us first has the prize. If you have added us, that was all.",
		FriendWhy:      "Once you add us on WeCom, the prize and the orders you claimed are in your account.",
		ClaimTitle:     "Your order earns points, too", ClaimHow: "Enter the order number and the last four digits of the delivery phone; the points come once they agree.", Claim: "Claim the order by its number",
		ClaimElsewhere: "Enter the order number and the last four digits of the delivery phone in the member centre; the points come once they agree.", ClaimState: "See what became of it in the member centre",
		ClaimShop: "Shop", ClaimShopHint: "Choose a shop", BadShop: "Please choose the shop where you bought.",
		ClaimOrder: "Order number", ClaimOrderHint: "as the shop shows it", BadOrder: "Please enter the whole number that the shop shows with the order.",
		ClaimProof: "Last four digits of the delivery phone, or your account name there", ClaimProofHint: "four digits, or the full name", BadProof: "Please enter the last four digits of the delivery phone or, where the shop hides it, your full account name there.",
		ClaimSend: "Claim this order", ClaimMore: "Claim another order",
		Claimed: "We have your claim", ClaimedWhat: "Once order and details agree, the points are in the account that has this card's prize; an order that comes late need not be claimed again.", ClaimFull: "No more orders can be claimed with this card. Please contact the brand or use the member centre for others.",
		Taken: "This card was redeemed already", TakenOn: "Redeemed on %s", NotYou: "If it was not you, please contact the brand and we will look into it.",
		WasYou: "It was me: show my prize", ShowMine: "Show my prize",
		Missing: "This card cannot be redeemed now", MissingWhy: "The code may be mistyped, or the offer has not begun or is over. Please compare it with your card, or contact the brand.",
		Mistyped: "One letter of the code seems to be wrong. Please compare it with your card.",
		Trouble:  "Something went wrong", TroubleWhy: "Please try again in a moment. Your prize is safe.",
		Throttled: "Too many wrong codes", ThrottledWhy: "Please wait about %d min before you type a code again. You can also scan the QR on the card: a scan is never refused for this.",
		Challenge: "One moment, please", ChallengeWhy: "Somebody is trying out many codes right now. Keep this page open: it goes on by itself, in a minute at most. You can also scan the QR on the card, which never waits.", GoOn: "It does not go on? Try here",
		Rules: "Rules", RulesLink: "Prizes, quantities and the full rules", Window: "From %s to %s", Contact: "Contact",
		Pool: "%d cards in this batch", PoolPrize: "Prize", PoolCount: "Cards", PoolShare: "Share", FewerThan: "under ",
		PoolDrawn:     "What a card gives was drawn when the batch was made; neither time nor amount of a purchase changes it.",
		OptOut:        "Withdraw consent, unsubscribe, erase",
		OptOutHow:     "The optional consents have no influence on your prize, and until your number is confirmed nothing is sent to it. At any time you can withdraw a consent, unsubscribe or have your data erased: tell us here, no reason is needed, or switch it off in the member centre where there is one.",
		WithdrawPhone: "The phone that redeemed this card", Withdraw: "Withdraw the optional consents",
		Withdrawn: "Done as you asked", WithdrawnWhat: "If this phone redeemed the card, both optional consents given with it are withdrawn; the prize stays. To leave the membership or have your data erased, please contact the brand.",
	},
}
