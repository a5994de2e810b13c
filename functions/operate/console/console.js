// The console's pages. Everything they show comes from the public API, read
// with the operator's own token; nothing is written into the page as HTML.

const english = document.documentElement.lang === "en";
const languageTag = english ? "en-GB" : "zh-CN";
const byID = (id) => document.getElementById(id);

// Every word is a pair: Chinese, English. {0} stands for an argument.
const words = {
  loading: ["正在读取…", "Loading…"],
  retry: ["重试", "Try again"],
  refresh: ["刷新", "Refresh"],
  more: ["加载更多", "Load more"],
  justNow: ["刚刚", "just now"],
  shown: ["{0}：已显示 {1} 条", "{0}: {1} shown"],
  offline: ["连接不上服务，请检查网络后重试。", "The service cannot be reached. Check the connection and try again."],
  failed: ["没有读到数据", "That could not be read"],
  refused: ["没有完成", "That was not done"],
  field: ["字段", "Field"],
  signedOut: ["已退出。", "Signed out."],
  tokenNeeded: ["请粘贴运营令牌。", "Paste an operator token."],
  missing: ["没有这个页面", "There is no such page"],
  missingHow: ["地址可能已经改变，请从导航进入。", "The address may have changed. Start from the navigation."],
  back: ["返回", "Back"],
  cancel: ["取消", "Cancel"],
  none: ["无", "None"],
  unit_points: ["{0} 积分", "{0} points"],
  unit_cards: ["{0} 张", "{0} cards"],
  unit_coupons: ["{0} 张", "{0} coupons"],
  unit_people: ["{0} 人", "{0} members"],
  unit_times: ["{0} 次", "{0} runs"],
  unit_orders: ["{0} 笔", "{0} orders"],
  unit_messages: ["{0} 条", "{0}"],
  unit_days: ["{0} 天", "{0} days"],
  unit_each: ["{0} 个", "{0}"],

  role_viewer: ["只读", "viewer"],
  role_operator: ["运营", "operator"],
  role_admin: ["管理员", "admin"],
  role_integration: ["系统对接", "integration"],
  role_printer: ["印刷厂", "printer"],
  rolePrinter: ["印刷厂令牌只能下载卡码，不能打开运营台。请使用接口 GET /v1/card-batches/{批次}/cards.csv。", "A printing house's token opens codes, not the console. Use GET /v1/card-batches/{batch}/cards.csv."],

  error_token_invalid: ["令牌无效，请核对后重新粘贴。", "This token is not known. Check it and paste it again."],
  error_token_missing: ["请重新登录。", "Please sign in again."],
  error_token_malformed: ["令牌格式不对。", "This is not a token."],
  error_role_missing: ["您的角色没有这项权限，请联系管理员。", "Your role does not allow this. Ask an admin."],
  error_member_unknown: ["没有这个会员编号。", "There is no member of this id."],
  error_batch_unknown: ["没有这个批次。", "There is no such batch."],
  error_queue_unknown: ["没有这个队列。", "There is no such queue."],
  error_batch_frozen: ["批次已冻结，不能再激活。", "The batch is frozen and stays so."],
  error_batch_not_received: ["卡片还在印刷厂，登记到货后才能激活。", "The cards are at the printing house; record first that they came back."],
  error_batch_expired: ["批次的活动时间已过。", "The batch's window is over."],
  error_hold_unknown: ["没有这张待审核的卡。", "There is no such held card."],
  error_hold_settled: ["这张卡已经以另一种方式了结，不会再变。", "This card ended otherwise and stays so."],
  error_reason_differs: ["另一位运营人员提议了别的理由；请给出同样的理由，或放行。", "Another operator proposed another reason. Give the same one, or release the card."],
  error_member_erased: ["会员已注销，奖品无人可发；可以“会员已注销”为由作废。", "The member was erased, so there is nobody to give it to. Void it for that reason."],
  error_payout_unknown: ["没有这个账单。", "There is no such bill."],
  error_payout_settled: ["这个红包已经以另一种方式了结，不会再变。", "This red packet ended otherwise and stays so."],
  error_payout_in_flight: ["刚刚请款，付款方的答复可能还在路上，请一分钟后再试。", "The payer was asked a moment ago. Try again in a minute."],
  error_resolution_differs: ["已有人提议了另一种结果：请同意它，或先撤回。", "Something else is proposed. Agree to it, or withdraw it first."],
  error_resolution_proposed: ["有人提议人工处理，请先同意或撤回。", "An operator proposes to end it by hand. Agree, or withdraw that first."],
  error_gift_shipped: ["赠品已随另一个订单发出。", "The gift left with another order."],
  error_lost_race: ["刚才有其他人修改了它，请刷新后再试。", "Somebody else changed it just now. Refresh and try again."],
  error_internal: ["服务内部出错，已记入日志。", "The service failed; its log says why."],

  today: ["今日", "Today"],
  attention: ["待处理", "Needs you"],
  allWell: ["目前没有需要处理的事。", "Nothing needs you now."],
  allWellButQueues: ["目前没有需要处理的事（队列仅管理员可见）。", "Nothing needs you now (queues are for admins to see)."],
  needDead: ["{0} 队列有 {1} 条死信", "{1} dead messages on {0}"],
  needSecond: ["批次“{0}”等待第二人确认激活", "Batch “{0}” waits for a second operator"],
  needEnding: ["批次“{0}”将于 {1} 结束", "Batch “{0}” ends on {1}"],
  needPaused: ["活动“{0}”已暂停", "Campaign “{0}” is paused"],
  needSlow: ["{0} 个红包超过一天还没有结果", "{0} red packets are open after a day"],
  needAgree: ["{0} 个红包的人工处理等待第二人同意", "{0} red packets wait for a second operator"],
  tileGifts: ["待发赠品", "Gifts to pack"],
  tileGiftsNote: ["随会员的下一单发出", "with members' next orders"],
  tileDead: ["死信", "Dead messages"],
  tileDeadNote: ["处理失败、等待重投", "failed at every try"],
  tileWaiting: ["排队中", "On queues"],
  tileWaitingNote: ["待处理 {0}，处理中 {1}", "{0} waiting, {1} in flight"],
  tileBatches: ["包裹卡批次", "Card batches"],
  tileBatchesNote: ["可兑换 {0}", "{0} open now"],
  tileCampaigns: ["营销活动", "Campaigns"],
  tileCampaignsNote: ["运行中 {0}", "{0} active"],
  tileReminders: ["7 天内提醒", "Reminders in 7 days"],
  tileRemindersNote: ["已排期", "scheduled"],
  adminOnly: ["仅管理员可见", "for admins"],
  nextReminders: ["接下来的提醒", "Coming reminders"],
  rules: ["当前会员规则", "The rules in force"],
  rulesShipped: ["默认规则（版本 0，随软件附带）", "The rules that ship with huitou (version 0)"],
  rulesVersion: ["版本 {0}，自 {1} 起生效", "Version {0}, in force since {1}"],
  rulesNext: ["版本 {0} 将于 {1} 生效", "Version {0} takes effect on {1}"],
  rulePoints: ["积分", "Points"],
  ruleRate: ["实付每 {0} 得 {1}，按订单行向下取整", "{1} for each {0} paid, rounded down once per order line"],
  rulePending: ["转为可用", "Available"],
  ruleWindow: ["确认收货 {0} 天后；没有确认收货的，付款 {1} 天后", "{0} days after receipt was confirmed; without that, {1} days after payment"],
  ruleCycle: ["复购周期", "Cycles"],
  ruleCategory: ["{0}：一次约用 {1} 天，用完前 {2} 天提醒", "{0}: lasts {1} days, reminder {2} days before the end"],
  ruleQuiet: ["免打扰", "Quiet hours"],
  ruleCap: ["提醒上限", "Cap"],
  ruleCapText: ["每人每 {0} 天最多 {1} 条", "at most {1} messages in {0} days for each member"],
  ruleZone: ["时区与币种", "Zone and currency"],

  liability: ["积分负债", "Points owed"],
  liabilityLead: ["品牌欠会员的积分，逐个会员汇总。会员多时需要一些时间。", "What the brand owes its members in points, summed over every member. With many members it takes a while."],
  liabilityRun: ["计算", "Add up"],
  liabilityAgain: ["重新计算", "Add up again"],
  liabilityBusy: ["正在汇总会员：{0}/{1}", "Going over members: {0}/{1}"],
  liabilityRead: ["{0} 位会员，{1} 至 {2} 读取；读取期间的变动可能未计入。", "{0} members, read from {1} to {2}; what happened meanwhile may be missing."],
  liability_liability: ["预计需兑付", "Expected to be spent"],
  liability_liability_is: ["未兑积分 − 已注销会员 − 已到期待清零 − 预计过期", "outstanding − erased members − ended − expected to lapse"],
  liability_money: ["预计需兑付金额", "In money"],
  liability_money_is: ["按每 {0} 积分值 {1} 计，合计后向上取整到分；若无过期为 {2}", "{0} points are worth {1}; rounded up once to a whole fen; {2} if nothing lapsed"],
  liability_outstanding: ["未兑积分", "Outstanding"],
  liability_outstanding_is: ["可用 + 待入账 − 欠扣", "available + pending − debt"],
  liability_available: ["可用", "Available"],
  liability_available_is: ["可以花的积分，含已到期待清零的", "may be spent, and those of ended"],
  liability_pending: ["待入账", "Pending"],
  liability_pending_is: ["退货期结束后转为可用", "available when return windows close"],
  liability_debt: ["欠扣", "Debt"],
  liability_debt_is: ["退款多扣的积分，后续入账先抵", "taken back beyond what was there; later credits pay it first"],
  liability_erased: ["已注销会员", "Erased members"],
  liability_erased_is: ["未兑积分中 {0} 位已注销会员的部分，到期前无人能花，不计入预计需兑付", "of outstanding, {0} members who were erased: nobody can spend them, and none is expected to be spent"],
  liability_ended: ["已到期待清零", "Ended, not written off"],
  liability_ended_is: ["已过有效期、定时任务尚未清零，不能再花", "their time is over, the schedule has not come yet; nobody can spend them"],
  liability_breakage: ["预计过期", "Expected to lapse"],
  liability_breakage_is: ["有到期日的可用积分 × 历史过期率 {0}%（过期 ÷（过期 + 已用），偏低估计）", "of the points that have an end, at {0} %: expired ÷ (expired + spent), a low estimate"],
  liability_breakage_none: ["历史还不够：有积分过期的月份不足 3 个，不做估计", "not enough history yet: points have expired in fewer than 3 months"],
  liability_difference: ["复式核对差额", "Double entry"],
  liability_difference_is: ["发放 {0} −（可用 + 待入账 + 已用 {1} + 过期 {2} + 扣回 {3} − 欠扣），应为 0", "issued {0} − (available + pending + spent {1} + expired {2} + clawed back {3} − debt); 0 when the books are right"],
  liabilityEnding: ["可用积分按到期月份", "Available points by the month they end in"],
  liabilityEndingIs: ["在该月月底前有效的可用积分", "good to the end of that month"],
  liabilityNever: ["永久有效", "no end"],
  liabilityNone: ["没有可用积分。", "No points are available."],
  liabilityCSV: ["下载 CSV", "Download CSV"],

  members: ["会员", "Members"],
  memberID: ["会员编号", "Member id"],
  memberHint: ["以 m 开头，例如提醒列表中的编号。目前只能按会员编号查询。", "Begins with m, as in the list of reminders. For now members are found by id alone."],
  memberNeeded: ["请填写会员编号。", "Enter a member id."],
  find: ["查询", "Find"],
  recent: ["最近查看", "Recently opened"],
  available: ["可用", "Available"],
  pending: ["待入账", "Pending"],
  pendingNote: ["退货期结束后可用", "until the return window closes"],
  debt: ["欠扣", "Debt"],
  debtNote: ["退款多扣，后续入账先抵", "later credits pay it first"],
  change_available: ["可用积分", "Available points"],
  change_pending: ["待入账积分", "Pending points"],
  change_debt: ["欠扣积分", "Points of debt"],
  balance: ["余额 {0}", "balance {0}"],
  orders: ["订单", "Orders"],
  paid: ["实付", "Paid"],
  paidAt: ["付款时间", "Paid at"],
  joined: ["加入时间", "Joined"],
  home: ["首购渠道", "First bought at"],
  consents: ["授权", "Consents"],
  consent_membership: ["会员", "membership"],
  consent_marketing: ["营销通知", "marketing"],
  consent_personalisation: ["个性化推荐", "personalisation"],
  identities: ["身份", "Identities"],
  birthday: ["生日", "Birthday"],
  facts: ["品牌记录", "Facts"],
  expiring: ["即将过期", "Expiring"],
  ledger: ["积分流水", "Ledger"],
  noLedger: ["还没有积分流水。", "No entries yet."],
  noOrders: ["还没有订单。", "No orders yet."],
  coupons: ["优惠券", "Coupons"],
  noCoupons: ["还没有优惠券。", "No coupons yet."],
  noMemberReminders: ["没有复购提醒：未购买有周期的品类。", "No reminders: nothing bought that has a cycle."],
  time: ["时间", "Time"],
  kind: ["类型", "Kind"],
  entry_earn: ["入账", "earned"],
  entry_claw: ["扣回", "taken back"],
  entry_settle: ["转可用", "settled"],
  entry_unbind: ["订单解绑", "order left"],
  entry_prize: ["奖品", "prize"],
  entry_spend: ["预扣", "set aside"],
  entry_return: ["返还", "given back"],
  entry_adjust: ["人工调整", "corrected"],
  entry_expire: ["过期", "expired"],
  entry_merge: ["会员合并", "merged"],
  entry_unmerge: ["撤销合并", "merge undone"],
  entry_checkin: ["签到", "check-in"],
  entry_opening: ["期初余额", "opening balance"],
  order: ["订单", "Order"],
  line: ["第 {0} 行", "line {0}"],
  version: ["规则版本", "Rules"],
  goods: ["商品", "Goods"],
  refundedBack: ["已退 {0}", "{0} refunded"],
  points: ["积分", "Points"],
  state: ["状态", "State"],
  order_cancelled: ["已取消", "cancelled"],
  order_completed: ["已确认收货", "received"],
  order_open: ["未确认收货", "not received yet"],
  settles: ["{0} 转可用", "settles {0}"],
  name: ["名称", "Name"],
  terms: ["面额", "Worth"],
  termsOff: ["满 {0} 减 {1}", "{1} off from {0}"],
  termsPlain: ["减 {0}", "{0} off"],
  code: ["券码", "Code"],
  source: ["来源", "From"],
  source_campaign: ["营销活动 {0}", "campaign {0}"],
  source_card: ["包裹卡 {0}", "card {0}"],
  expires: ["有效期至", "Good until"],
  coupon_issued: ["可用", "open"],
  coupon_used: ["已核销", "used"],
  coupon_expired: ["已过期", "expired"],

  cards: ["包裹卡", "Package cards"],
  noBatches: ["还没有批次。批次目前通过接口创建：POST /v1/card-batches。", "No batches yet. For now they are made by the API: POST /v1/card-batches."],
  batch: ["批次", "Batch"],
  count: ["数量", "Cards"],
  window: ["活动时间", "Window"],
  windowSpan: ["{0} 至 {1}", "{0} to {1}"],
  batch_created: ["已生成", "created"],
  batch_printed: ["在印刷厂", "at the printing house"],
  batch_received: ["已到货", "received"],
  batch_waiting: ["待第二人确认", "waits for a second"],
  batch_active: ["可兑换", "open"],
  batch_early: ["已激活，未开始", "active, not begun"],
  batch_over: ["已结束", "over"],
  batch_frozen: ["已冻结", "frozen"],
  arm: ["分组“{0}”：{1}", "Arm “{0}”: {1}"],
  armShare: ["占 {0}/{1} 的卡", "{0}/{1} of the cards"],
  form_scratch: ["刮刮卡", "scratch"],
  form_reveal: ["张张有奖", "every card wins"],
  form_plain: ["普通卡", "plain"],
  prize: ["奖品", "Prize"],
  prize_coupon: ["优惠券 {0}", "coupon {0}"],
  prize_gift: ["赠品 {0}", "gift {0}"],
  prize_red_packet: ["红包 {0}", "red packet {0}"],
  prize_none: ["未中奖", "no prize"],
  worth: ["申报价值", "Worth"],
  rulesText: ["活动说明", "Text"],
  publicRules: ["查看对外公示的活动规则", "The prize rules as customers see them"],
  publicWinners: ["查看中奖公示", "The winners as customers see them"],
  publicLater: ["第一人确认激活后，活动规则对外公示。", "The prize rules are public from the first confirmation on."],
  activation: ["激活", "Activation"],
  twoPersons: ["激活需要两位不同的运营人员先后确认：第一人核对奖品与数量，确认后规则公示；第二人确认后，卡片在活动时间内可以兑换。奖品创建后不能更改。", "Two different operators confirm. The first checks prizes and quantities, and the rules become public; once the second confirms, cards can be redeemed within the window. Prizes never change after creation."],
  stepCreated: ["创建", "Created"],
  stepPrinted: ["送印", "Sent to print"],
  stepReceived: ["到货", "Received"],
  delivery: ["{0} 张，{1}，{2}，SHA-256 {3}", "{0} cards, {1}, {2}, SHA-256 {3}"],
  notReceived: ["卡片还在印刷厂。先用 huitou cards receive 登记到货，再激活。", "The cards are at the printing house. Record with huitou cards receive that they came back, then activate."],
  canaries: ["暗桩", "Canaries"],
  canariesHint: ["{0} 张，印刷后、装箱前剔除：huitou cards canaries {1}", "{0}, to take out before packing: huitou cards canaries {1}"],
  stepFirst: ["第一人确认", "First confirmation"],
  stepSecond: ["第二人确认，激活", "Second confirmation"],
  stepFrozen: ["冻结", "Frozen"],
  stepOpen: ["尚未确认", "not yet"],
  signed: ["{0}，{1}", "{0}, {1}"],
  confirmFirst: ["我已核对，作为第一人确认", "I checked it: confirm as the first"],
  confirmSecond: ["作为第二人确认并激活", "Confirm as the second and activate"],
  askFirst: ["确认“{0}”的奖品与数量无误？确认后活动规则对外公示，等待另一位运营人员激活。", "Are the prizes and quantities of “{0}” right? The rules become public, and another operator has to agree."],
  askSecond: ["激活“{0}”？共 {1}，激活后在活动时间内可以兑换。", "Activate “{0}”? {1} can then be redeemed within the window."],
  needOther: ["您已作为第一人确认。请另一位运营人员用自己的令牌登录后确认。", "You confirmed as the first. Another operator has to sign in with a token of their own."],
  roleCannotActivate: ["您的角色（{0}）不能激活批次。", "Your role ({0}) cannot activate batches."],
  firstDone: ["已记录您的确认，等待第二人。", "Your confirmation is recorded; a second operator has to agree."],
  activated: ["批次已激活。", "The batch is active."],
  batchResult: ["结果", "Result"],
  verdict_winner: ["“{0}”更好。每天看都可以，看错的可能不超过 5%。", "“{0}” is better. You may look every day: the chance that this is wrong is at most 5 %."],
  verdict_no_difference: ["“{0}”相差不到五分之一，选哪个都可以。", "“{0}” are less than a fifth apart: any of them will do."],
  verdict_cannot_tell_yet: ["还不能下结论：“{0}”分不出高下。", "Cannot tell yet: “{0}” may each be the best."],
  neededMore: ["照目前的情况，大约还需要 {0}，或者再有 {1}。", "If things go on like this it takes about {0} more, or {1} more."],
  neededSome: ["{0}还太少。", "There are too few {0} so far."],
  unit_redeemed: ["{0} 次兑奖", "{0} redemptions"],
  unit_added: ["{0} 个好友", "{0} friends"],
  unit_retained: ["{0} 个留存好友", "{0} retained friends"],
  measure_redeemed: ["兑奖", "redemptions"],
  measure_added: ["加粉", "friends"],
  measure_retained: ["留存好友", "retained friends"],
  per_yuan: ["每元{0}", "{0} per yuan"],
  per_card: ["每张卡{0}", "{0} per card"],
  valueRange: ["{0}（{1} 至 {2}）", "{0} ({1} to {2})"],
  rateRange: ["{0}%（{1} 至 {2}）", "{0} % ({1} to {2})"],
  rank: ["第 {0}", "no. {0}"],
  armName: ["分组", "Arm"],
  printedCards: ["印刷", "Printed"],
  redeemedCards: ["兑奖", "Redeemed"],
  addedFriends: ["加粉", "Friends"],
  retainedFriends: ["留存 {0} 天", "Stayed {0} days"],
  claimedOrders: ["绑定订单", "With an order"],
  repurchased: ["再次购买", "Bought again"],
  spent: ["已花费", "Spent"],
  perFriend: ["每个好友 {0}", "{0} a friend"],
  unpriced: ["有奖品未申报价值", "prizes without a declared worth"],
  noFriends: ["还没有好友记录，先按兑奖比较。", "No friends are recorded yet, so arms are compared by redemptions."],
  incomplete: ["兑奖太多，一次数不完：以下只是一部分，不作比较。", "Too many cards were redeemed to count at once: this is a part, and nothing is compared."],
  resultHint: ["比例后的括号是 95% 区间，也画在条形上，只对这一次查看成立；分组的比较和最后一列的区间，每天看也成立。", "Ranges of shares are 95 % intervals for one look, drawn on the bars. The comparison and the ranges of the last column hold however often you look."],
  resultCsv: ["下载结果 CSV", "Download as CSV"],
  downloads: ["下载", "Downloads"],
  downloadsWarn: ["卡码可以直接兑奖，只交给印刷厂，用后请删除。", "A code is worth its prize: hand the file to the printing house alone and delete it afterwards."],
  roleCannotDownload: ["您的角色（{0}）不能下载卡码。", "Your role ({0}) cannot download codes."],
  csv: ["卡码 CSV", "Codes as CSV"],
  csvGet: ["下载 CSV", "Download CSV"],
  csvHint: ["每次最多 {0} 张", "at most {0} cards at a time"],
  sheet: ["A4 二维码打印页", "A4 sheet of QR codes"],
  sheetGet: ["下载打印页", "Download the sheet"],
  from: ["从第几张起", "First card"],
  howMany: ["张数", "Cards"],
  outOfRange: ["请填 {0} 到 {1} 之间的整数。", "Enter a whole number from {0} to {1}."],
  saved: ["已下载 {0}", "Downloaded {0}"],

  batches: ["批次", "Batches"],
  total: ["合计", "All"],
  pairs: ["两两比较", "Pairs"],
  pair: ["“{0}”比“{1}”", "“{0}” less “{1}”"],
  difference: ["相差", "Difference"],
  pair_winner: ["已分出", "told"],
  pair_no_difference: ["没有差别", "no difference"],
  pair_cannot_tell_yet: ["还不能下结论", "cannot tell yet"],

  holds: ["可疑兑换", "Held cards"],
  holdsLead: ["这些卡已被兑换，归兑换人所有；奖品等待人工核实后放行或作废。有申诉的排在前面，其余按时间先后。", "Somebody redeemed these cards and owns them; their prizes wait for you to release or void them. Those appealed against come first, the others in the order of time."],
  hold_open: ["待审核", "open"],
  hold_released: ["已放行", "released"],
  hold_voided: ["已作废", "voided"],
  noHolds: ["没有这种状态的卡。", "No cards are in this state."],
  heldAt: ["兑换时间", "Redeemed"],
  hold: ["卡", "Card"],
  suspect_many_cards: ["同一人短时间内兑换很多", "many cards of one person"],
  suspect_one_carton: ["同一人整箱连号兑换", "neighbouring numbers of one person"],
  appealed: ["有申诉", "appealed"],
  ground_bought: ["商品是自己买的", "says: I bought the goods"],
  ground_given: ["商品是别人送的", "says: the goods were given to me"],
  ground_other: ["会另行联系说明", "says: will contact you"],
  reservedFor: ["为未核实的手机号保留", "reserved for an unproved phone"],
  release: ["放行", "Release"],
  releaseOf: ["放行 {0}", "Release {0}"],
  releaseSure: ["放行这张卡（{0}）？奖品随即发放，不能收回。", "Release this card ({0})? Its prize is given at once and cannot be taken back."],
  released: ["已放行。", "Released."],
  void: ["作废", "Void"],
  voidOf: ["作废 {0}", "Void {0}"],
  voidHint: ["作废后不能恢复，奖品也不会给别人；顾客会看到理由、联系方式与申诉入口。价值较高的需要第二位运营人员给出同样的理由。", "There is no way back, and the prize goes to nobody else. The customer sees the reason, your contact and how to appeal. A dear prize takes a second operator with the same reason."],
  voidReason_stolen: ["商品被盗或丢失", "the goods were stolen or lost"],
  voidReason_unbought: ["不是随购买的商品取得", "taken without buying the goods"],
  voidReason_returned: ["商品已退货", "the goods were returned"],
  voidReason_leaked: ["卡码事先泄露", "the code leaked"],
  voidReason_misprint: ["印制有误", "misprinted"],
  voidReason_erased: ["会员已注销", "the member was erased"],
  voidDone: ["已作废。", "Voided."],
  voidProposed: ["已提议，等待第二位运营人员。", "Proposed; a second operator has to agree."],
  voidBy: ["{0} 提议作废：{1}", "{0} proposed to void it: {1}"],
  decidedBy: ["{0} · {1}", "{0} · {1}"],
  needHolds: ["{0} 张可疑卡等待审核", "{0} held cards wait for you"],

  payouts: ["红包兑付", "Red packets"],
  payoutsLead: ["每个红包只有一个账单号，无论请款多少次都不会重复付款。", "A red packet has one bill for ever: however often the payer is asked, it is paid once."],
  payout: ["红包 {0}", "Red packet {0}"],
  payout_paying: ["等待付款方", "with the payer"],
  payout_requested: ["尚未请款", "not asked yet"],
  payout_paid: ["已付款", "paid"],
  payout_failed_final: ["已失败", "failed"],
  noPayouts: ["没有这种状态的红包。", "No red packets are in this state."],
  bill: ["账单", "Bill"],
  amount: ["金额", "Amount"],
  cardNumber: ["第 {0} 张", "no. {0}"],
  wonAt: ["中奖时间", "Won"],
  asked: ["请款", "Asked"],
  askedTimes: ["{0} 次", "{0} times"],
  askedLast: ["{0} 次，最近 {1}", "{0} times, last {1}"],
  nextAsk: ["下次请款", "Next ask"],
  nextAskAt: ["下次请款 {0}", "next ask {0}"],
  payerSaid: ["付款方答复", "Payer said"],
  agreeNeeded: ["待第二人同意", "waits for a second"],
  progress: ["经过", "Steps"],
  step_requested: ["中奖", "Won"],
  step_paying: ["请款", "Asked"],
  step_paid: ["付款", "Paid"],
  step_failed_final: ["失败", "Failed"],
  byCard: ["兑奖", "the card"],
  byPayer: ["付款方", "the payer"],
  byTwo: ["{0}、{1}", "{0} and {1}"],
  payer: ["付款方", "The payer"],
  askNow: ["立即重新请款", "Ask the payer now"],
  askNowHint: ["平时自动请款，间隔从 10 分钟逐次加倍到一天。付款方恢复后可以马上再请一次。", "The payer is asked by itself, after 10 minutes, doubled up to a day. Once the payer is well again it can be asked at once."],
  askNowSure: ["请付款方再次处理账单 {0}（{1}）？账单号与金额不变，不会重复付款。", "Ask the payer again for bill {0} ({1})? Bill and amount stay, so nothing is paid twice."],
  askedNow: ["已重新请款。", "The payer is being asked."],
  byHand: ["人工处理", "By hand"],
  byHandHint: ["先在付款方的账上查清结果，再由两位不同的运营人员先后确认。第一人提议后不再自动请款；了结后不能更改。", "Look in the payer's books first; then two different operators say the same. Nobody asks the payer in between, and what ended stays so."],
  outcome: ["结果", "Outcome"],
  outcome_paid: ["已付款", "It was paid"],
  outcome_failed_final: ["没有付，也不会再付", "Nothing was paid, and nothing will be"],
  reference: ["付款方流水号", "The payer's number"],
  reason: ["理由", "Reason"],
  reasonHint: ["永久保存，请勿写姓名与手机号。", "Kept for ever: name no person in it."],
  referenceNeeded: ["已付款的需要付款方流水号。", "What was paid needs the payer's number."],
  reasonNeeded: ["请填写至少 3 个字的理由。", "Give a reason of at least 3 characters."],
  propose: ["提议", "Propose"],
  proposed: ["{0} 于 {1} 提议：{2}。{3}", "{0} proposed on {1}: {2}. {3}"],
  proposedOwn: ["等待另一位运营人员用自己的令牌登录后同意。", "Another operator has to sign in with a token of their own and agree."],
  agree: ["同意并了结", "Agree and end it"],
  agreeSure: ["同意“{0}”？了结后不能更改。", "Agree to “{0}”? What ended stays so."],
  withdraw: ["撤回提议", "Withdraw"],
  withdrawn: ["已撤回，恢复自动请款。", "Withdrawn; the payer is asked again."],
  proposedDone: ["已记录提议，等待第二人。", "Recorded; a second operator has to agree."],
  resolvedDone: ["红包已了结。", "The red packet ended."],
  roleCannotPay: ["您的角色（{0}）不能处理红包。", "Your role ({0}) cannot act on red packets."],

  gifts: ["随单赠品", "Gifts"],
  giftsLead: ["会员中奖的赠品随下一个订单发出，登记一次即可。", "What members won leaves with their next order, and is recorded once."],
  gift: ["赠品", "Gift"],
  gift_pending: ["待发出", "to pack"],
  gift_shipped: ["已发出", "left"],
  noMemberGifts: ["没有赠品。", "No gifts."],
  noGifts: ["没有这种状态的赠品。", "No gifts are in this state."],
  ship: ["登记发出", "Record"],
  shipOf: ["登记“{0}”发出", "“{0}” leaves"],
  shipWith: ["随哪个订单发出", "With which order"],
  shipOther: ["另一个订单…", "Another order…"],
  shipNeeded: ["请填写渠道、店铺和订单号。", "Enter channel, shop and order number."],
  shippedDone: ["已登记发出。", "Recorded."],
  shippedWith: ["{0}，{1}", "{0}, {1}"],
  channel: ["渠道", "Channel"],
  shop: ["店铺", "Shop"],
  orderNumber: ["订单号", "Order number"],

  campaigns: ["营销活动", "Campaigns"],
  noCampaigns: ["还没有营销活动。活动目前通过接口写入：PUT /v1/campaigns/{编号}。", "No campaigns yet. For now they are written by the API: PUT /v1/campaigns/{id}."],
  campaign_active: ["运行中", "active"],
  campaign_paused: ["已暂停", "paused"],
  audience: ["人群包", "Audience"],
  template: ["券模板", "Coupon"],
  schedule: ["时间", "Schedule"],
  scheduleOnce: ["{0} 一次", "once, {0}"],
  scheduleUntil: ["{0}，至 {1}", "{0}, until {1}"],
  scheduleDaily: ["每天 {0}", "every day at {0}"],
  scheduleWeekly: ["每{0} {1}", "{0} at {1}"],
  holdout: ["对照组", "Holdout"],
  ran: ["最近一次", "Last run"],
  notRun: ["还没有运行", "has not run yet"],
  result: ["结果", "Result"],
  runs: ["运行", "Runs"],
  finished: ["其中完成", "Finished"],
  issued: ["发券", "Issued"],
  heldOut: ["对照组", "Held out"],
  unfunded: ["预算不足未发", "Unfunded"],
  limited: ["已达限领未发", "At their limit"],

  reminders: ["复购提醒", "Reminders"],
  dueUntil: ["到这一天为止（含）", "Due up to and with"],
  show: ["查看", "Show"],
  dateNeeded: ["请选择日期。", "Choose a date."],
  noReminders: ["到这一天为止没有已排期的提醒。", "No reminders are scheduled up to that day."],
  remindersMost: ["提醒很多，这里只有其中 {0} 条。请选早一些的日期。", "There are more than these {0}. Choose an earlier day."],
  due: ["提醒时间", "Due"],
  member: ["会员", "Member"],
  category: ["品类", "Category"],
  bought: ["上次购买", "Last bought"],
  lead: ["提前", "Lead"],
  why: ["依据", "Why"],
  whyCycle: ["按品类周期，自上次购买起算", "cycle of the category, from the last purchase"],
  reminder_scheduled: ["已排期", "scheduled"],
  reminder_sent: ["已发送", "sent"],
  reminder_skipped: ["已跳过", "skipped"],
  reason_opted_out: ["未同意营销或已拒收", "no consent or opted out"],
  reminder_with: ["与“{0}”同一条消息", "in one message with {0}"],
  reminder_postponed: ["因频次上限推迟，原定 {0}", "postponed by the cap, from {0}"],
  reason_capped: ["频次上限在用完前一直占满", "cap reached until used up"],
  reason_bought_again: ["已再次购买", "bought again"],
  reason_too_late: ["已过时机", "too late"],
  reason_refunded: ["订单已退款", "refunded"],
  reason_history: ["历史订单，不补发", "history, not made up for"],

  queues: ["队列", "Queues"],
  queue_orders: ["订单", "orders"],
  queue_coupons: ["发券", "coupons"],
  queue_messages: ["消息", "messages"],
  queue_friends: ["企微好友", "WeCom friends"],
  queue_schedules: ["定时", "schedules"],
  queuesLead: ["处理多次仍失败的消息成为死信，不会丢失。查明原因后可重投：同一件事不会重复生效。", "A message that fails at every try becomes a dead letter; none is lost. Redrive it once the cause is known: nothing takes effect twice."],
  queuesAdmin: ["队列仅管理员可以查看和重投。您的角色：{0}。", "Queues are for admins. Your role: {0}."],
  queue: ["队列", "Queue"],
  waiting: ["待处理", "Waiting"],
  inFlight: ["处理中", "In flight"],
  dead: ["死信", "Dead"],
  openDead: ["查看死信", "Dead letters"],
  deadOf: ["{0} · 死信", "{0} · dead letters"],
  noDead: ["没有死信。", "No dead letters."],
  deadMost: ["只显示最早的 {0} 条。", "Only the oldest {0} are shown."],
  received: ["投递 {0} 次", "{0} deliveries"],
  body: ["消息内容", "Message"],
  redrive: ["全部重投", "Redrive all"],
  askRedrive: ["重投“{0}”队列的全部死信？", "Deliver every dead letter of “{0}” again?"],
  redriven: ["已重投 {0} 条。", "{0} messages go back to the queue."],
};

const say = (key, ...args) => {
  const pair = words[key];
  return pair ? pair[english ? 1 : 0].replace(/\{(\d)\}/g, (_, i) => args[i]) : key;
};
// A word that the API chose; what the console does not know stays as it is.
const term = (group, value) => (words[group + "_" + value] ? say(group + "_" + value) : String(value ?? ""));

const channels = { tmall: "天猫", taobao: "淘宝", jd: "京东", douyin: "抖音", youzan: "有赞", wechat: "微信", wecom: "企业微信" };
const channelName = (name) => (english ? name : channels[name] || name);
const identityName = { buyer: ["平台买家", "buyer"], openid: ["OpenID", "OpenID"], unionid: ["UnionID", "UnionID"], wecom: ["企业微信", "WeCom"], phone: ["手机号", "phone"] };

// ---- figures -------------------------------------------------------------

const session = { token: "", name: "", role: "", program: null };
const zone = () => session.program?.time_zone || "Asia/Shanghai";
const number = (n) => Number(n ?? 0).toLocaleString(languageTag);
const signed = (n) => (n > 0 ? "+" : n < 0 ? "−" : "") + number(Math.abs(n));

// money writes fen with their unit; trailing .00 is kept, so that columns align.
function money(fen) {
  const whole = Math.trunc(Math.abs(fen) / 100);
  const rest = String(Math.abs(fen) % 100).padStart(2, "0");
  const sign = { CNY: "¥" }[session.program?.currency] ?? (session.program?.currency || "CNY") + " ";
  return (fen < 0 ? "−" : "") + sign + whole.toLocaleString(languageTag) + "." + rest;
}
const yuan = (fen) => money(fen).replace(/\.00$/, "");

const dateParts = (options) => (at) => new Intl.DateTimeFormat(languageTag, { timeZone: zone(), ...options }).format(new Date(at));
const when = dateParts({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = dateParts({ year: "numeric", month: "2-digit", day: "2-digit" });
const moment = (at) => (at ? el("time", { datetime: at }, when(at)) : "");
const relative = new Intl.RelativeTimeFormat(languageTag);
const hour = 3600000;

// ago is how long something has waited, in the largest unit that fits.
function ago(at) {
  const passed = Date.now() - Date.parse(at);
  const [unit, length] = [["day", 24 * hour], ["hour", hour], ["minute", hour / 60]].find(([, l]) => passed >= l) || [];
  return el("time", { datetime: at, title: when(at) }, unit ? relative.format(-Math.trunc(passed / length), unit) : say("justNow"));
}
const isoDay = (at) => new Intl.DateTimeFormat("en-CA", { timeZone: zone(), year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

// startOfDay is the first instant of a day of the brand's zone.
function startOfDay(date, plus = 0) {
  const noon = new Date(date + "T12:00:00Z");
  noon.setUTCDate(noon.getUTCDate() + plus);
  const name = new Intl.DateTimeFormat("en", { timeZone: zone(), timeZoneName: "longOffset" }).formatToParts(noon).find((p) => p.type === "timeZoneName").value;
  return noon.toISOString().slice(0, 10) + "T00:00:00" + (name.slice(3) || "+00:00");
}
const inDays = (n) => new Date(Date.now() + n * 86400000);

// ---- elements ------------------------------------------------------------

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(2).filter((c) => c !== undefined && c !== null && c !== ""));
  return node;
}
const link = (href, ...children) => el("a", { href, "data-page": true }, ...children);
const badge = (text, tone = "") => el("span", { class: "badge " + tone }, text);
const announce = (text) => { byID("live").textContent = text; };
const heading = (title, ...actions) => el("div", { class: "heading" }, el("h1", { id: "title", tabindex: "-1" }, title), ...actions);
const facts = (...pairs) => el("dl", { class: "facts" }, pairs.filter(([, v]) => v !== undefined && v !== "" && v !== null && v.length !== 0)
  .map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, ...[value].flat()))));
const tile = (id, name, figure, note, href) => el(href ? "a" : "div", href ? { class: "tile", id, href, "data-page": true } : { class: "tile", id },
  el("span", { class: "label" }, name), el("strong", {}, figure), note ? el("small", {}, note) : "");
// tabs are links to pages that belong together, or to one list in its states.
const tabs = (id, name, current, entries) => el("nav", { class: "tabs", id, "aria-label": name },
  entries.map(([key, href, text]) => el("a", { id: id + "-" + key, href, "data-page": true, "aria-current": key === current && "page" }, text)));
const sheet = (id, title, ...children) => el("section", { class: "sheet", id, "aria-labelledby": id + "-title" }, el("h2", { id: id + "-title" }, title), ...children);

// table is one that stays a table for screen readers when it is stacked.
function table(id, name, columns, rows) {
  const row = (item) => el("tr", { role: "row" }, columns.map((c, i) => el(i ? "td" : "th", {
    role: i ? "cell" : "rowheader", scope: i ? null : "row", class: [c.number && "number", c.quiet?.(item) && "quiet"].filter(Boolean).join(" ") || null, "data-label": c.name,
  }, el("div", {}, ...[c.cell(item)].flat()))));
  const body = el("tbody", { role: "rowgroup" }, rows.map(row));
  const node = el("table", { id, role: "table", "aria-label": name },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, columns.map((c) => el("th", { role: "columnheader", scope: "col", class: c.number && "number" }, c.name)))), body);
  return { node, add: (items) => body.append(...items.map(row)) };
}

function errorBox(error, title, retry) {
  const known = words["error_" + error.code] && say("error_" + error.code);
  return el("div", { class: "notice bad", role: "alert" },
    el("strong", {}, known || title),
    error.detail && error.detail !== known ? el("p", {}, error.detail) : "",
    error.fields.length ? el("ul", {}, error.fields.map((f) => el("li", {}, say("field") + " ", el("code", {}, f.pointer), " · " + f.code))) : "",
    error.status ? el("p", { class: "hint" }, [error.status, error.code, error.instance].filter(Boolean).join(" · ")) : "",
    retry && (!error.status || error.status === 429 || error.status >= 500) ? el("button", { class: "plain", type: "button", onclick: retry }, say("retry")) : "");
}

// load fills a place with what a promise gives: loading, then it or why not.
let visit = 0;
async function load(place, read, render) {
  const mine = visit;
  place.setAttribute("aria-busy", "true");
  place.replaceChildren(el("p", { class: "loading" }, say("loading")));
  try {
    const answer = await read();
    if (mine !== visit) return;
    place.replaceChildren(...[render(answer)].flat(2));
  } catch (error) {
    if (mine !== visit || error.status === 401) return;
    if (!(error instanceof Refusal)) throw error;
    place.replaceChildren(errorBox(error, say("failed"), () => load(place, read, render)));
  } finally {
    place.removeAttribute("aria-busy");
  }
}

// ---- the API -------------------------------------------------------------

class Refusal extends Error {
  constructor(status, document) {
    super(document.detail || document.title || String(status));
    this.status = status;
    this.code = (document.type || "").split("/").pop();
    this.detail = document.detail || document.title || "";
    this.fields = document.errors || [];
    this.instance = document.instance || "";
  }
}

async function request(method, path, { key, body } = {}) {
  const headers = { Authorization: "Bearer " + session.token, Accept: "application/json" };
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store", redirect: "error" });
  } catch {
    throw new Refusal(0, { detail: say("offline") });
  }
  if (response.ok) return response;
  const refusal = new Refusal(response.status, await response.json().catch(() => ({ title: response.statusText })));
  if (response.status === 401 && session.name) signOut(refusal);
  throw refusal;
}
const get = async (path) => (await request("GET", path)).json();

// every reads a list to its end, or to most pages; more says that it went on.
async function every(path, most = 10) {
  const items = [];
  let cursor = "";
  for (let page = 0; page < most; page++) {
    const answer = await get(path + (path.includes("?") ? "&" : "?") + "limit=100" + (cursor && "&cursor=" + encodeURIComponent(cursor)));
    items.push(...answer.items);
    if (!(cursor = answer.next_cursor)) return { items, more: "" };
  }
  return { items, more: "+" };
}

// A key belongs to one intent: pressing again after a lost answer repeats it.
// keyed gives each body of a form the key of its own intent.
const keyed = () => { const keys = {}; return (body) => (keys[JSON.stringify(body)] ??= newKey()); };
const newKey = () => "console-" + [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// pages shows a list page by page.
function pages(id, name, path, columns, empty) {
  const place = el("div", { class: "list" });
  const shown = table(id, name, columns, []);
  const troubles = el("div", {});
  const button = el("button", { id: id + "-more", class: "plain", type: "button", hidden: true, onclick: () => next() }, say("more"));
  let cursor = "", count = 0;
  const read = () => get(path + (path.includes("?") ? "&" : "?") + "limit=50" + (cursor && "&cursor=" + encodeURIComponent(cursor)));
  const take = (answer) => {
    shown.add(answer.items);
    count += answer.items.length;
    cursor = answer.next_cursor || "";
    button.hidden = !cursor;
    announce(say("shown", name, count));
  };
  async function next() {
    button.disabled = true;
    troubles.replaceChildren();
    try {
      take(await read());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (error.status !== 401) troubles.replaceChildren(errorBox(error, say("failed")));
    }
    button.disabled = false;
  }
  load(place, async () => {
    // A page may be empty although the list goes on.
    let answer = await read();
    while (!answer.items.length && answer.next_cursor) {
      cursor = answer.next_cursor;
      answer = await read();
    }
    return answer;
  }, (answer) => {
    if (!answer.items.length) return el("p", { class: "empty" }, empty);
    take(answer);
    return [shown.node, troubles, button];
  });
  return place;
}

// ask wants a yes before something that is not undone.
function ask(text, yes) {
  return new Promise((answer) => {
    const dialog = el("dialog", { id: "ask", "aria-labelledby": "ask-text" },
      el("p", { id: "ask-text" }, text),
      el("form", { method: "dialog" },
        el("button", { id: "ask-cancel", class: "plain", value: "no" }, say("cancel")),
        el("button", { id: "ask-yes", class: "primary", value: "yes" }, yes)));
    dialog.addEventListener("close", () => { dialog.remove(); answer(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function act(button, place, work) {
  button.disabled = true;
  place.replaceChildren();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    if (error.status !== 401) place.replaceChildren(errorBox(error, say("refused")));
  }
  button.disabled = false;
}

// ---- 今日 ----------------------------------------------------------------

const isAdmin = () => session.role === "admin";
const mayReport = () => session.role !== "integration";
const mayRun = () => session.role === "operator" || isAdmin();

function batchState(b) {
  const now = Date.now();
  if (b.state === "frozen") return ["frozen", "bad"];
  if (now >= Date.parse(b.valid_to)) return ["over", ""];
  if (b.state !== "active") return b.approved ? ["waiting", "warn"] : [b.state, ""];
  return now < Date.parse(b.valid_from) ? ["early", "warn"] : ["active", "good"];
}

function today() {
  const needs = el("ul", { class: "needs" });
  const tiles = el("div", { class: "tiles", id: "tiles" });
  const read = () => Promise.all([
    isAdmin() ? get("/v1/queues") : null,
    every("/v1/card-batches"), every("/v1/campaigns"),
    every("/v1/reminders?due_before=" + encodeURIComponent(inDays(7).toISOString()), 20),
    every("/v1/payouts", 2), every("/v1/gifts", 2), every("/v1/card-holds", 2),
  ]);
  const place = el("div", {});
  const show = (queues, batches, campaigns, reminders, payouts, gifts, holds) => {
    const dead = queues?.items.reduce((sum, q) => sum + q.dead, 0);
    const waiting = queues?.items.reduce((sum, q) => sum + q.waiting, 0);
    const inFlight = queues?.items.reduce((sum, q) => sum + q.in_flight, 0);
    tiles.replaceChildren(
      ...(queues ? [
        tile("tile-dead", say("tileDead"), say("unit_messages", number(dead)), say("tileDeadNote"), "/console/queues"),
        tile("tile-queues", say("tileWaiting"), say("unit_messages", number(waiting + inFlight)), say("tileWaitingNote", number(waiting), number(inFlight)), "/console/queues"),
      ] : []),
      tile("tile-batches", say("tileBatches"), say("unit_each", number(batches.items.length) + batches.more), say("tileBatchesNote", number(batches.items.filter((b) => batchState(b)[0] === "active").length)), "/console/cards"),
      tile("tile-campaigns", say("tileCampaigns"), say("unit_each", number(campaigns.items.length) + campaigns.more), say("tileCampaignsNote", number(campaigns.items.filter((c) => c.state === "active").length)), "/console/campaigns"),
      tile("tile-reminders", say("tileReminders"), say("unit_messages", number(reminders.items.length) + reminders.more), say("tileRemindersNote"), "/console/reminders"),
      gifts.items.length ? tile("tile-gifts", say("tileGifts"), say("unit_each", number(gifts.items.length) + gifts.more), say("tileGiftsNote"), "/console/gifts") : "");
    const slow = payouts.items.filter(isSlow).length, proposed = payouts.items.filter((p) => p.proposed && p.proposed.operator !== session.name).length;
    const soon = inDays(7);
    needs.replaceChildren(
      ...(queues?.items || []).filter((q) => q.dead).map((q) => el("li", { class: "bad" }, link("/console/queues/" + q.name, say("needDead", term("queue", q.name), number(q.dead))))),
      ...batches.items.filter((b) => batchState(b)[0] === "waiting").map((b) => el("li", { class: "warn" }, link("/console/cards/" + b.id, say("needSecond", b.name)))),
      ...batches.items.filter((b) => batchState(b)[0] === "active" && new Date(b.valid_to) < soon).map((b) => el("li", { class: "warn" }, link("/console/cards/" + b.id, say("needEnding", b.name, when(Date.parse(b.valid_to) - 1000))))),
      ...[["needSlow", slow], ["needAgree", proposed]].filter(([, n]) => n).map(([need, n]) => el("li", { class: "warn" }, link("/console/payouts", say(need, number(n))))),
      holds.items.length ? el("li", { class: "warn" }, link("/console/holds", say("needHolds", number(holds.items.length) + holds.more))) : "",
      ...campaigns.items.filter((c) => c.state === "paused").map((c) => el("li", {}, link("/console/campaigns", say("needPaused", c.name || c.id)))));
    const next = byDue(reminders.items).slice(0, 5);
    return [
      tiles,
      sheet("attention", say("attention"), needs.children.length ? needs : el("p", { class: "well" }, say(queues ? "allWell" : "allWellButQueues"))),
      next.length ? sheet("next", say("nextReminders"), table("next-table", say("nextReminders"), reminderColumns(true).filter((c) => c.name !== say("why") && c.name !== say("state")), next).node) : "",
    ];
  };
  load(place, read, (all) => show(...all));
  const rules = el("div", {});
  load(rules, () => get("/v1/program"), (program) => { session.program = program; return programSheet(program); });
  return [
    heading(say("today"), el("button", { id: "refresh", class: "plain", type: "button", onclick: () => route() }, say("refresh"))),
    el("p", { class: "lead" }, new Intl.DateTimeFormat(languageTag, { timeZone: zone(), dateStyle: "full" }).format(new Date())),
    place, rules, mayReport() ? liability() : "",
  ];
}

// bar is how much of the most a figure is.
function bar(figure, most) {
  const drawing = ["svg", "rect"].map((name) => document.createElementNS("http://www.w3.org/2000/svg", name));
  drawing[0].setAttribute("class", "bar-of");
  drawing[0].setAttribute("aria-hidden", "true");
  drawing[1].setAttribute("width", 100 * Math.max(0, figure) / Math.max(1, most) + "%");
  drawing[1].setAttribute("height", "100%");
  drawing[0].append(drawing[1]);
  return drawing[0];
}

// liability is added up when it is asked for: it reads every member.
function liability() {
  const place = el("div", {}), troubles = el("div", {});
  const button = el("button", { id: "liability-run", class: "plain", type: "button", onclick: () => act(button, troubles, run) }, say("liabilityRun"));
  async function run() {
    const mine = visit;
    const progress = el("progress", { id: "liability-progress", "aria-label": say("liability") });
    place.replaceChildren(progress);
    for (let cursor = ""; ;) {
      const query = "?cursor=" + encodeURIComponent(cursor);
      let report;
      try {
        report = await get("/v1/reports/liability" + query);
      } catch (error) {
        place.replaceChildren();
        throw error;
      }
      if (mine !== visit) return;
      progress.max = report.done.of;
      progress.value = report.done.shards;
      announce(say("liabilityBusy", report.done.shards, report.done.of));
      if (!(cursor = report.next_cursor)) {
        place.replaceChildren(...liabilityFigures(report, query));
        button.textContent = say("liabilityAgain");
        announce(say("liability") + " " + say("unit_points", number(report.liability)));
        return;
      }
    }
  }
  return sheet("liability", say("liability"), el("p", { class: "hint" }, say("liabilityLead")), button, troubles, place);
}

function liabilityFigures(r, query) {
  const figure = (name, value, ...told) => tile("liability-" + name, say("liability_" + name), value, say("liability_" + name + "_is", ...told));
  const of = (n) => say("unit_points", number(n));
  const estimated = r.breakage.state === "estimated";
  const rows = [...r.ending, ...(r.never_ending ? [{ month: say("liabilityNever"), points: r.never_ending }] : [])];
  const most = Math.max(...rows.map((row) => row.points));
  const troubles = el("div", {});
  const csv = el("button", { id: "liability-csv", class: "plain", type: "button", onclick: () => act(csv, troubles, async () =>
    save("liability-" + isoDay(new Date(r.as_of)) + ".csv", await (await request("GET", "/v1/reports/liability.csv" + query)).blob())) }, say("liabilityCSV"));
  return [
    el("div", { class: "figures", role: "group", "aria-label": say("liability") },
      figure("liability", of(r.liability)),
      r.money ? figure("money", money(r.money.liability), number(r.money.value.per_points), yuan(r.money.value.fen), money(r.money.outstanding)) : "",
      figure("outstanding", of(r.outstanding)), figure("available", of(r.available)), figure("pending", of(r.pending)), figure("debt", of(r.debt)),
      figure("ended", of(r.ended)), r.erased_members ? figure("erased", of(r.erased), number(r.erased_members)) : "",
      tile("liability-breakage", say("liability_breakage"), estimated ? of(r.breakage.expected) : "—", estimated ? say("liability_breakage_is", (r.breakage.basis_points / 100).toFixed(2)) : say("liability_breakage_none")),
      figure("difference", of(r.difference), number(r.issued), number(r.spent), number(r.expired), number(r.clawed_back))),
    el("h3", {}, say("liabilityEnding"), " ", el("small", {}, say("liabilityEndingIs"))),
    rows.length ? table("liability-ending", say("liabilityEnding"), [
      { name: say("expires"), cell: (row) => row.month },
      { name: say("points"), number: true, cell: (row) => of(row.points) },
      { name: "", cell: (row) => bar(row.points, most) },
    ], rows).node : el("p", { class: "empty" }, say("liabilityNone")),
    el("p", { class: "hint", id: "liability-read" }, say("liabilityRead", number(r.members), when(r.as_of), when(r.read_until))),
    csv, troubles,
  ];
}

function programSheet(p) {
  const now = Date.now();
  const windowText = (w) => say("ruleWindow", number(w.after_completion_days), number(w.after_payment_days));
  const next = (p.versions || []).filter((v) => Date.parse(v.effective_at) > now);
  return sheet("program", say("rules"),
    el("p", { class: "lead", id: "program-version" }, p.version ? say("rulesVersion", p.version, when(p.effective_at)) : say("rulesShipped"),
      ...next.map((v) => [el("br"), say("rulesNext", v.version, when(v.effective_at))])),
    facts(
      [say("rulePoints"), say("ruleRate", yuan(p.points.rate.per_fen), say("unit_points", number(p.points.rate.points)))],
      [say("rulePending"), [el("p", {}, windowText(p.points.window)), ...Object.entries(p.points.channels || {}).map(([c, w]) => el("p", {}, channelName(c) + "：" + windowText(w)))]],
      [say("ruleCycle"), Object.entries(p.repurchase.categories || {}).map(([id, c]) => el("p", {}, say("ruleCategory", c.name || id, number(c.cycle_days), number(c.lead_days))))],
      [say("ruleQuiet"), p.repurchase.quiet_hours.from + "–" + p.repurchase.quiet_hours.to],
      [say("ruleCap"), say("ruleCapText", number(p.repurchase.cap.days), number(p.repurchase.cap.messages))],
      [say("ruleZone"), p.time_zone + " · " + p.currency]));
}

// ---- 会员 ----------------------------------------------------------------

const recentKey = "huitou.recent-members";
const recent = () => JSON.parse(sessionStorage.getItem(recentKey) || "[]");

function members(id = "", trouble) {
  const error = el("p", { id: "member-error", class: "error", role: "alert" });
  const input = el("input", { id: "member-id", type: "text", value: id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "64", "aria-describedby": "member-hint member-error" });
  const form = el("form", { id: "member-form", class: "bar", method: "post", novalidate: true, onsubmit: (event) => {
    event.preventDefault();
    const wanted = input.value.trim();
    error.textContent = wanted ? "" : say("memberNeeded");
    input.setAttribute("aria-invalid", !wanted);
    if (wanted) navigate("/console/members/" + encodeURIComponent(wanted)); else input.focus();
  } },
  el("label", { for: "member-id" }, say("memberID")),
  el("div", { class: "row" }, input, el("button", { id: "member-find", class: "primary", type: "submit" }, say("find"))),
  error, el("p", { class: "hint", id: "member-hint" }, say("memberHint")));
  const list = recent();
  return [
    heading(say("members")), form, trouble || "",
    !id && list.length ? sheet("recent", say("recent"), el("ul", { class: "plainlist" }, list.map((m) => el("li", {}, link("/console/members/" + encodeURIComponent(m), m))))) : "",
  ];
}

function member(id) {
  const base = "/v1/members/" + encodeURIComponent(id);
  const place = el("div", { id: "member" });
  load(place, () => get(base), (m) => {
    sessionStorage.setItem(recentKey, JSON.stringify([m.member_id, ...recent().filter((r) => r !== m.member_id)].slice(0, 8)));
    const p = m.points;
    return [
      el("div", { class: "tiles" },
        tile("points-available", say("available"), say("unit_points", number(p.available)), say("balance", say("unit_points", number(p.available + p.pending - p.debt)))),
        tile("points-pending", say("pending"), say("unit_points", number(p.pending)), say("pendingNote")),
        p.debt ? tile("points-debt", say("debt"), say("unit_points", number(p.debt)), say("debtNote")) : "",
        tile("member-orders", say("orders"), say("unit_orders", number(m.orders))),
        tile("member-paid", say("paid"), money(m.paid), m.refunded ? say("refundedBack", money(m.refunded)) : "")),
      sheet("profile", m.member_id, facts(
        [say("joined"), moment(m.joined_at)],
        [say("home"), m.home_channel && channelName(m.home_channel)],
        [say("consents"), m.consents.length ? m.consents.map((c) => badge(term("consent", c), "good")) : say("none")],
        [say("birthday"), m.birthday],
        [say("identities"), m.identities.map((i) => el("p", {}, (identityName[i.kind] || [i.kind, i.kind])[english ? 1 : 0] + (i.channel ? " · " + channelName(i.channel) : "") + " ", el("code", {}, i.value)))],
        [say("facts"), Object.entries(m.facts || {}).map(([k, v]) => el("p", {}, k + "：" + v))],
        [say("expiring"), p.expiring.map((e) => el("p", {}, day(e.at) + " · " + say("unit_points", number(e.points))))])),
      sheet("ledger", say("ledger"), pages("ledger-table", say("ledger"), base + "/points/ledger", [
        { name: say("time"), cell: (e) => moment(e.at) },
        { name: say("kind"), cell: (e) => term("entry", e.kind) },
        ...["available", "pending", "debt"].map((part) => (
          { name: say("change_" + part), number: true, cell: (e) => signed(e[part]), quiet: (e) => e[part] === 0 })),
        { name: say("order"), cell: (e) => (e.order_id ? [channelName(e.channel) + " · " + e.shop + " ", el("code", {}, e.order_id), e.line_id ? " · " + say("line", e.line_id) : ""] : el("code", {}, e.id)) },
        { name: say("version"), number: true, cell: (e) => String(e.program_version) },
      ], say("noLedger"))),
      sheet("orders", say("orders"), pages("orders-table", say("orders"), base + "/orders", [
        { name: say("order"), cell: (o) => [channelName(o.channel) + " · " + o.shop + " ", el("code", {}, o.order_id)] },
        { name: say("paidAt"), cell: (o) => moment(o.paid_at) },
        { name: say("goods"), cell: (o) => o.lines.map((l) => el("p", {}, (l.sku || l.category || l.line_id) + " × " + number(l.quantity) + " · " + money(l.paid) + (l.refunded ? " · " + say("refundedBack", money(l.refunded)) : ""))) },
        { name: say("points"), number: true, cell: (o) => number(o.lines.reduce((sum, l) => sum + l.points, 0)) },
        { name: say("state"), cell: (o) => [badge(say(o.cancelled ? "order_cancelled" : o.completed_at ? "order_completed" : "order_open"), o.cancelled ? "bad" : ""), o.settles_at && !o.cancelled ? el("small", {}, say("settles", when(o.settles_at))) : ""] },
      ], say("noOrders"))),
      sheet("coupons", say("coupons"), pages("coupons-table", say("coupons"), base + "/coupons", [
        { name: say("name"), cell: (c) => c.name },
        { name: say("terms"), cell: (c) => terms(c) },
        { name: say("code"), cell: (c) => (c.code ? el("code", {}, c.code) : c.link || "") },
        { name: say("state"), cell: (c) => (c.expired ? badge(say("coupon_expired")) : badge(term("coupon", c.state), c.state === "issued" ? "good" : "")) },
        { name: say("source"), cell: (c) => source(c.trigger) },
        { name: say("expires"), cell: (c) => moment(c.expires_at) },
      ], say("noCoupons"))),
      sheet("member-gifts", say("gifts"), pages("member-gifts-table", say("gifts"), base + "/gifts", [
        { name: say("gift"), cell: (g) => [g.text, el("small", {}, g.id)] },
        { name: say("wonAt"), cell: (g) => moment(g.won_at) },
        { name: say("state"), cell: giftBadge },
        { name: say("order"), cell: (g) => (g.order ? orderName(g.order) : "—") },
      ], say("noMemberGifts"))),
      sheet("member-reminders", say("reminders"), pages("member-reminders-table", say("reminders"), base + "/reminders", reminderColumns(false), say("noMemberReminders"))),
    ];
  });
  return [...members(id), place];
}

const terms = (c) => (c.threshold ? say("termsOff", yuan(c.threshold), yuan(c.discount)) : say("termsPlain", yuan(c.discount)));
function source(trigger) {
  const [kind, ...rest] = (trigger || "").split(":");
  return words["source_" + kind] ? say("source_" + kind, kind === "card" ? rest.join(" · ") : rest[0]) : trigger || "";
}

// ---- 包裹卡 --------------------------------------------------------------

const batchBadge = (b) => { const [state, tone] = batchState(b); return badge(term("batch", state), tone); };
// valid_to is the first instant after the window; people want its last minute.
const windowOf = (b) => say("windowSpan", when(b.valid_from), when(Date.parse(b.valid_to) - 1000));

const cardTabs = (current) => tabs("card-tabs", say("cards"), current, [
  ["batches", "/console/cards", say("batches")], ["holds", "/console/holds", say("holds")], ["payouts", "/console/payouts", say("payouts")], ["gifts", "/console/gifts", say("gifts")],
]);

const cards = () => [heading(say("cards")), cardTabs("batches"), pages("batches-table", say("cards"), "/v1/card-batches", [
  { name: say("batch"), cell: (b) => [link("/console/cards/" + encodeURIComponent(b.id), b.name), el("small", {}, b.id)] },
  { name: say("state"), cell: batchBadge },
  { name: say("window"), cell: windowOf },
  { name: say("count"), number: true, cell: (b) => say("unit_cards", number(b.count)) },
], say("noBatches"))];

function prizeName(p, templates) {
  switch (p.kind) {
    case "points": return say("unit_points", number(p.value));
    case "red_packet": return say("prize_red_packet", yuan(p.value));
    case "gift": return say("prize_gift", p.value);
    case "coupon": return say("prize_coupon", templates[p.value]?.name || p.value);
    default: return say("prize_none");
  }
}

const byId = (list) => Object.fromEntries(list.items.map((item) => [item.id, item]));

function batch(id) {
  const place = el("div", { id: "batch" });
  const title = heading(say("batch") + " " + id);
  const path = "/v1/card-batches/" + encodeURIComponent(id);
  const render = ([b, templates]) => {
    title.querySelector("h1").textContent = b.name;
    const weights = b.arms.reduce((sum, a) => sum + a.weight, 0);
    return [
      sheet("about", b.id, facts(
        [say("state"), batchBadge(b)],
        [say("count"), say("unit_cards", number(b.count))],
        [say("canaries"), b.canaries ? say("canariesHint", number(b.canaries), b.id) : ""],
        [say("window"), windowOf(b)],
        [say("rulesText"), b.rules_text]),
      el("p", {}, b.approved || b.activated ? el("a", { id: "public-rules", href: path + "/rules", target: "_blank", rel: "noopener" }, say("publicRules")) : say("publicLater")),
      (b.approved || b.activated) && b.notices?.some((n) => n.code === "announce_winners") ? el("p", {}, el("a", { id: "public-winners", href: path + "/winners?limit=100", target: "_blank", rel: "noopener" }, say("publicWinners"))) : ""),
      activation(b, path, () => load(place, read, render)),
      b.activated ? batchResult(b, path) : "",
      ...b.arms.map((a, i) => sheet("arm-" + i, say("arm", a.name, term("form", a.form)),
        b.arms.length > 1 ? el("p", { class: "lead" }, say("armShare", number(a.weight), number(weights))) : "",
        table("prizes-" + i, say("prize"), [
          { name: say("prize"), cell: (p) => prizeName(p, templates) },
          { name: say("count"), number: true, cell: (p) => say("unit_cards", number(p.quantity)) },
          { name: say("worth"), number: true, cell: (p) => (p.worth ? money(p.worth) : "—") },
        ], a.prizes).node)),
      downloads(b, path),
    ];
  };
  const read = () => Promise.all([get(path), every("/v1/coupon-templates").then(byId)]);
  load(place, read, render);
  return [el("p", { class: "crumb" }, link("/console/cards", "‹ " + say("cards"))), title, place];
}

function activation(b, path, reload) {
  const troubles = el("div", {});
  const step = (name, s) => el("li", { class: s ? "done" : "" }, el("strong", {}, name), " ", s ? el("span", {}, say("signed", s.operator, when(s.at))) : el("span", { class: "hint" }, say("stepOpen")));
  const delivery = (name, d) => (d ? el("li", { class: "done" }, el("strong", {}, name), " ", el("span", {}, say("delivery", number(d.count), d.operator, when(d.at), d.sha256.slice(0, 12) + "…"))) : "");
  const [state] = batchState(b);
  let action = "";
  if (b.state === "printed") action = el("p", { class: "notice" }, say("notReceived"));
  else if (state !== "frozen" && state !== "over" && b.state !== "active") {
    if (!mayRun()) action = el("p", { class: "hint" }, say("roleCannotActivate", term("role", session.role)));
    else if (b.approved?.operator === session.name) action = el("p", { class: "notice" }, say("needOther"));
    else {
      const key = newKey();
      const label = say(b.approved ? "confirmSecond" : "confirmFirst");
      action = el("button", { id: "activate", class: "primary", type: "button", onclick: async (event) => {
        if (!await ask(b.approved ? say("askSecond", b.name, say("unit_cards", number(b.count))) : say("askFirst", b.name), label)) return;
        await act(event.target, troubles, async () => {
          const response = await request("POST", path + "/activation", { key });
          reload();
          announce(say(response.status === 202 ? "firstDone" : "activated"));
        });
      } }, label);
    }
  }
  return sheet("activation", say("activation"),
    b.state === "active" || b.state === "frozen" ? "" : el("p", {}, say("twoPersons")),
    el("ol", { class: "steps" }, step(say("stepCreated"), b.created), delivery(say("stepPrinted"), b.printed), delivery(say("stepReceived"), b.received), step(say("stepFirst"), b.approved), step(say("stepSecond"), b.activated), b.frozen ? step(say("stepFrozen"), b.frozen) : ""),
    action, troubles);
}

const percent = (share) => (100 * share).toLocaleString(languageTag, { maximumFractionDigits: 1 });
const digits = (x) => x.toLocaleString(languageTag, { maximumSignificantDigits: 3 });

// rateBar draws a share and its interval on a scale that ends at most.
function rateBar(rate, most) {
  const bar = el("span", { class: "ratebar", "aria-hidden": "true" }), band = el("span", { class: "band" }), mark = el("span", { class: "mark-at" });
  const at = (share) => Math.min(100, 100 * share / most) + "%";
  band.style.left = at(rate.low);
  band.style.width = at(rate.high - rate.low);
  mark.style.left = at(rate.rate);
  bar.append(band, mark);
  return bar;
}

const valueRange = (value, interval) => say("valueRange", digits(value), digits(interval.low), digits(interval.high));

// pairsTable says of each two arms what can be told.
const pairsTable = (c) => table("pairs-table", say("pairs"), [
  { name: say("armName"), cell: (p) => say("pair", ...p.arms) },
  { name: say("difference"), number: true, cell: (p) => valueRange(p.difference, p) },
  { name: say("state"), cell: (p) => [badge(term("pair", p.verdict), p.verdict === "winner" ? "good" : ""), p.cards_needed ? el("small", {}, say("neededMore", say("unit_cards", number(p.cards_needed)), say("unit_" + c.by, number(p.events_needed)))) : ""] },
], c.pairs).node;

// batchResult is the funnel of each arm and what can be said of the arms.
function batchResult(b, path) {
  const place = el("div", { id: "batch-result" });
  const troubles = el("div", {});
  const read = async () => {
    const kept = await get(path + "/result");
    return kept.total.added || !kept.comparison ? kept : get(path + "/result?by=redeemed");
  };
  // All shares are drawn on one scale, which ends with the highest interval.
  const step = (name, of, result) => {
    const most = Math.max(...result.arms.flatMap((a) => [a.redeemed, a.added, a.retained, a.order_claimed, a.repurchased]).map((rate) => rate?.high || 0));
    return { name, number: true, cell: (a) => [number(of(a).count), rateBar(of(a), most), el("small", {}, say("rateRange", percent(of(a).rate), percent(of(a).low), percent(of(a).high)))] };
  };
  const verdict = (c) => {
    const names = c.best.join(english ? "”, “" : "”“");
    const more = c.cards_needed ? say("neededMore", say("unit_cards", number(c.cards_needed)), say("unit_" + c.by, number(c.events_needed))) : say("neededSome", term("measure", c.by));
    return el("p", { id: "verdict", class: c.verdict === "winner" ? "verdict told" : "verdict" }, el("strong", {}, say("verdict_" + c.verdict, names)), c.verdict === "cannot_tell_yet" ? " " + more : "");
  };
  load(place, read, (r) => [
    r.complete ? "" : el("p", { class: "notice" }, say("incomplete")),
    r.comparison && !r.total.added ? el("p", { class: "hint" }, say("noFriends")) : "",
    r.comparison ? verdict(r.comparison) : "",
    table("result-table", say("batchResult"), [
      { name: say("armName"), cell: (a) => [a.name, a.unpriced ? el("small", {}, say("unpriced")) : ""] },
      { name: say("printedCards"), number: true, cell: (a) => number(a.printed) },
      step(say("redeemedCards"), (a) => a.redeemed, r),
      r.total.added && step(say("addedFriends"), (a) => a.added, r),
      r.total.added && step(say("retainedFriends", r.retained_days), (a) => a.retained, r),
      step(say("claimedOrders"), (a) => a.order_claimed, r),
      step(say("repurchased"), (a) => a.repurchased, r),
      { name: say("spent"), number: true, cell: (a) => [money(a.spent), a.fen_per_friend ? el("small", {}, say("perFriend", money(a.fen_per_friend))) : ""] },
      r.comparison && { name: say("per_" + r.comparison.per, term("measure", r.comparison.by)), number: true, quiet: (a) => !a.value, cell: (a) => (a.value ? [say("rank", a.value.rank), el("small", {}, valueRange(a.value.value, a.value))] : "") },
    ].filter(Boolean), r.arms.length > 1 ? [...r.arms, { ...r.total, name: say("total") }] : r.arms).node,
    r.comparison?.pairs.length > 1 ? [el("h3", {}, say("pairs")), pairsTable(r.comparison)] : "",
    el("p", { class: "hint" }, say("resultHint")),
    el("button", { id: "result-csv", class: "plain", type: "button", onclick: (event) => act(event.target, troubles, async () => {
      const query = r.comparison ? "?by=" + r.comparison.by : "";
      save(b.id + "-result.csv", await (await request("GET", path + "/result.csv" + query)).blob());
    }) }, say("resultCsv")), troubles,
  ]);
  return sheet("result", say("batchResult"), place);
}

// save hands a file to the browser.
function save(name, content) {
  const address = URL.createObjectURL(content);
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  announce(say("saved", name));
}

function downloads(b, path) {
  if (!mayRun()) return sheet("downloads", say("downloads"), el("p", { class: "hint" }, say("roleCannotDownload", term("role", session.role))));
  const form = (name, title, hint, most, usual, file, extension) => {
    const troubles = el("div", {});
    const input = (what, label, value, max) => el("div", {}, el("label", { for: name + "-" + what }, label),
      el("input", { id: name + "-" + what, type: "number", inputmode: "numeric", min: "1", max, value, required: true, "aria-describedby": name + "-error" }));
    const error = el("p", { id: name + "-error", class: "error", role: "alert" });
    return el("form", { id: name + "-form", method: "post", novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      const wrong = [...event.target.querySelectorAll("input")].find((i) => !i.validity.valid);
      event.target.querySelectorAll("input").forEach((i) => i.setAttribute("aria-invalid", i === wrong));
      error.textContent = wrong ? say("outOfRange", 1, number(wrong.max)) : "";
      if (wrong) return wrong.focus();
      const from = byID(name + "-from").valueAsNumber, limit = Math.min(byID(name + "-count").valueAsNumber, b.print_run - from + 1);
      act(byID(name + "-get"), troubles, async () => {
        const content = await (await request("GET", path + file + "?from=" + (from - 1) + "&limit=" + limit)).blob();
        save(b.id + "-" + from + "-" + (from + limit - 1) + extension, content);
      });
    } },
    el("h3", {}, title, " ", el("small", {}, hint)),
    el("div", { class: "row" }, input("from", say("from"), 1, b.print_run), input("count", say("howMany"), Math.min(usual, b.print_run), Math.min(most, b.print_run)),
      el("button", { id: name + "-get", class: "plain", type: "submit" }, say(name + "Get"))),
    error, troubles);
  };
  return sheet("downloads", say("downloads"), el("p", {}, say("downloadsWarn")),
    form("csv", say("csv"), say("csvHint", number(20000)), 20000, 20000, "/cards.csv", ".csv"),
    form("sheet", say("sheet"), say("csvHint", number(480)), 480, 24, "/sheet.html", ".html"));
}

// ---- 可疑兑换 ------------------------------------------------------------

const holdStates = ["open", "released", "voided"];
const voidReasons = ["stolen", "unbought", "returned", "leaked", "misprint", "erased"];

function holds() {
  const state = wanted(holdStates);
  const troubles = el("div", {});
  const prize = (h) => prizeName(h.prize, {});
  const decided = (d) => [say("decidedBy", d.approved ? say("byTwo", d.operator, d.approved) : d.operator, when(d.at)), d.reason ? el("small", {}, term("voidReason", d.reason)) : ""];
  const actions = (h) => (mayRun() ? el("div", { class: "row buttons" },
    el("button", { id: "release-" + h.id, class: "plain", type: "button", "aria-label": say("releaseOf", h.id), onclick: (event) => release(h, event.target, troubles) }, say("release")),
    el("button", { id: "void-" + h.id, class: "plain", type: "button", "aria-label": say("voidOf", h.id), onclick: () => voidCard(h) }, say("void"))) : "");
  return [
    heading(say("holds"), el("button", { id: "refresh", class: "plain", type: "button", onclick: () => route() }, say("refresh"))),
    cardTabs("holds"),
    el("p", { class: "lead" }, say("holdsLead")),
    tabs("hold-states", say("state"), state, holdStates.map((s) => [s, "/console/holds?state=" + s, term("hold", s)])),
    troubles,
    pages("holds-table", say("holds"), "/v1/card-holds?state=" + state, [
      { name: say("hold"), cell: (h) => [el("code", {}, h.id), el("small", {}, link("/console/cards/" + encodeURIComponent(h.batch), h.batch), " · " + say("cardNumber", number(h.card)))] },
      { name: say("prize"), cell: prize },
      { name: say("member"), cell: (h) => (h.member_id ? memberLink(h.member_id) : say("reservedFor")) },
      { name: say("why"), cell: (h) => [term("suspect", h.why), h.appeal ? el("small", {}, badge(say("appealed"), "warn"), " ", term("ground", h.appeal.ground)) : "",
        h.proposed ? el("small", {}, badge(say("agreeNeeded"), "warn"), " ", say("voidBy", h.proposed.operator, term("voidReason", h.proposed.reason))) : ""] },
      { name: say("heldAt"), cell: (h) => ago(h.held_at) },
      state === "open" ? { name: "", cell: actions } : { name: say("state"), cell: (h) => decided(h.decided) },
    ], say("noHolds")),
  ];
}

async function release(hold, button, troubles) {
  const key = newKey();
  if (!await ask(say("releaseSure", prizeName(hold.prize, {})), say("release"))) return;
  await act(button, troubles, async () => {
    await request("POST", "/v1/card-holds/" + encodeURIComponent(hold.id) + "/release", { key });
    route();
    announce(say("released"));
  });
}

// voidCard asks why a card is voided; what another operator proposed is chosen.
function voidCard(hold) {
  const troubles = el("div", {});
  const keyOf = keyed();
  const submit = (event) => {
    event.preventDefault();
    const body = { reason: byID("void-reason").value };
    return act(byID("void-yes"), troubles, async () => {
      const response = await request("POST", "/v1/card-holds/" + encodeURIComponent(hold.id) + "/void", { key: keyOf(body), body });
      dialog.close();
      route();
      announce(say(response.status === 202 ? "voidProposed" : "voidDone"));
    });
  };
  const dialog = el("dialog", { id: "void", "aria-labelledby": "void-title", onclose: () => dialog.remove() },
    el("h2", { id: "void-title" }, say("voidOf", hold.id)),
    el("p", {}, say("voidHint")),
    el("form", { id: "void-form", class: "stack", method: "post", onsubmit: submit },
      el("div", {}, el("label", { for: "void-reason" }, say("reason")),
        el("select", { id: "void-reason" }, voidReasons.map((reason) => el("option", { value: reason, selected: reason === hold.proposed?.reason }, term("voidReason", reason))))),
      troubles,
      el("div", { class: "row buttons" },
        el("button", { class: "plain", type: "button", onclick: () => dialog.close() }, say("cancel")),
        el("button", { id: "void-yes", class: "primary", type: "submit" }, say("void")))));
  document.body.append(dialog);
  dialog.showModal();
}

// ---- 红包兑付 ------------------------------------------------------------

const payoutStates = ["paying", "requested", "paid", "failed_final"];
const isOpen = (p) => p.state === "requested" || p.state === "paying";
const isSlow = (p) => isOpen(p) && Date.now() - Date.parse(p.steps[0].at) > 24 * hour;
const payoutBadge = (p) => [badge(term("payout", p.state), { paid: "good", failed_final: "bad" }[p.state] || (isSlow(p) ? "warn" : "")), p.proposed ? badge(say("agreeNeeded"), "warn") : ""];
const memberLink = (id) => link("/console/members/" + encodeURIComponent(id), el("code", {}, id));
const wanted = (states) => { const state = new URLSearchParams(location.search).get("state"); return states.includes(state) ? state : states[0]; };

function payouts() {
  const state = wanted(payoutStates);
  return [
    heading(say("payouts"), el("button", { id: "refresh", class: "plain", type: "button", onclick: () => route() }, say("refresh"))),
    cardTabs("payouts"),
    el("p", { class: "lead" }, say("payoutsLead")),
    tabs("payout-states", say("state"), state, payoutStates.map((s) => [s, "/console/payouts?state=" + s, term("payout", s)])),
    pages("payouts-table", say("payouts"), "/v1/payouts?state=" + state, [
      { name: say("bill"), cell: (p) => [link("/console/payouts/" + encodeURIComponent(p.bill), el("code", {}, p.bill)), el("small", {}, p.batch + " · " + say("cardNumber", number(p.card)))] },
      { name: say("amount"), number: true, cell: (p) => money(p.amount) },
      { name: say("member"), cell: (p) => memberLink(p.member_id) },
      { name: say("wonAt"), cell: (p) => ago(p.steps[0].at) },
      { name: say("state"), cell: (p) => [...payoutBadge(p), isOpen(p) && p.said ? el("small", {}, say("payerSaid") + " ", el("code", {}, p.said)) : ""] },
      { name: say("asked"), cell: (p) => [say("askedTimes", number(p.asked)), p.next_ask && !p.proposed ? el("small", {}, say("nextAskAt", when(p.next_ask))) : ""] },
    ], say("noPayouts")),
  ];
}

function payout(bill) {
  const place = el("div", { id: "payout" });
  const title = heading(say("bill") + " " + bill);
  const path = "/v1/payouts/" + encodeURIComponent(bill);
  const who = (step) => (step.approved ? say("byTwo", step.by, step.approved) : { card: say("byCard"), payer: say("byPayer") }[step.by] || step.by);
  const read = () => get(path);
  const reload = () => load(place, read, render);
  const render = (p) => {
    title.querySelector("h1").textContent = say("payout", money(p.amount));
    return [
      sheet("about", p.bill, facts(
        [say("state"), payoutBadge(p)],
        [say("member"), memberLink(p.member_id)],
        [say("source"), [link("/console/cards/" + encodeURIComponent(p.batch), p.batch), " · " + say("cardNumber", number(p.card))]],
        [say("wonAt"), [moment(p.steps[0].at), " · ", ago(p.steps[0].at)]],
        [say("asked"), p.asked ? say("askedLast", number(p.asked), when(p.asked_at)) : say("askedTimes", 0)],
        [say("nextAsk"), p.next_ask && !p.proposed ? moment(p.next_ask) : ""],
        [say("payerSaid"), p.said && el("code", {}, p.said)])),
      isOpen(p) ? payoutActions(p, path, reload) : "",
      sheet("steps", say("progress"), el("ol", { class: "steps" }, p.steps.map((s) => el("li", {}, el("strong", {}, term("step", s.state)), " ", say("signed", who(s), when(s.at)),
        ...[s.reference, s.code].filter(Boolean).map((evidence) => [" · ", el("code", {}, evidence)]), s.reason ? el("small", {}, s.reason) : "")))),
    ];
  };
  reload();
  return [el("p", { class: "crumb" }, link("/console/payouts", "‹ " + say("payouts"))), title, place];
}

// payoutActions is what operators may do about a payout that has not ended.
function payoutActions(p, path, reload) {
  if (!mayRun()) return el("p", { class: "hint" }, say("roleCannotPay", term("role", session.role)));
  const troubles = el("div", {});
  const keyOf = keyed();
  const send = (button, method, to, body, done) => act(button, troubles, async () => {
    const response = await request(method, path + to, { key: method === "POST" ? keyOf([to, body]) : undefined, body });
    reload();
    announce(done(response.status));
  });
  const end = (r) => say("outcome_" + r.state) + (r.reference ? " " + r.reference : "");
  if (p.proposed) {
    const { state, reference, reason } = p.proposed;
    return sheet("by-hand", say("byHand"),
      el("p", { class: "notice" }, say("proposed", p.proposed.operator, when(p.proposed.at), end(p.proposed), reason)),
      p.proposed.operator === session.name ? el("p", {}, say("proposedOwn")) : "",
      el("div", { class: "row buttons" },
        p.proposed.operator === session.name ? "" : el("button", { id: "agree", class: "primary", type: "button", onclick: async (event) => {
          if (await ask(say("agreeSure", end(p.proposed)), say("agree"))) await send(event.target, "POST", "/resolution", { state, reference, reason }, () => say("resolvedDone"));
        } }, say("agree")),
        el("button", { id: "withdraw", class: "plain", type: "button", onclick: (event) => send(event.target, "DELETE", "/resolution", undefined, () => say("withdrawn")) }, say("withdraw"))),
      troubles);
  }
  const outcome = el("select", { id: "outcome", onchange: () => { reference.hidden = outcome.value !== "paid"; } },
    ["paid", "failed_final"].map((state) => el("option", { value: state }, say("outcome_" + state))));
  const field = (id, label, hint) => el("div", {}, el("label", { for: id }, label), el("input", { id, type: "text", autocomplete: "off", maxlength: "128", "aria-describedby": "by-hand-error" }), hint ? el("p", { class: "hint" }, hint) : "");
  const reference = field("reference", say("reference")), error = el("p", { id: "by-hand-error", class: "error", role: "alert" });
  const propose = async (event) => {
    event.preventDefault();
    const body = { state: outcome.value, reason: byID("reason").value.trim(), ...(outcome.value === "paid" && { reference: byID("reference").value.trim() }) };
    const wrong = body.reference === "" ? "reference" : [...body.reason].length < 3 ? "reason" : "";
    for (const id of ["reference", "reason"]) byID(id).setAttribute("aria-invalid", id === wrong);
    error.textContent = wrong ? say(wrong + "Needed") : "";
    if (wrong) return byID(wrong).focus();
    await send(byID("propose"), "POST", "/resolution", body, (status) => say(status === 202 ? "proposedDone" : "resolvedDone"));
  };
  return [
    sheet("ask-again", say("payer"), el("p", {}, say("askNowHint")),
      el("button", { id: "ask-now", class: "primary", type: "button", onclick: async (event) => {
        if (await ask(say("askNowSure", p.bill, money(p.amount)), say("askNow"))) await send(event.target, "POST", "/ask", undefined, () => say("askedNow"));
      } }, say("askNow")), troubles),
    sheet("by-hand", say("byHand"), el("p", {}, say("byHandHint")),
      el("form", { id: "by-hand-form", class: "stack", method: "post", novalidate: true, onsubmit: propose },
        el("div", {}, el("label", { for: "outcome" }, say("outcome")), outcome), reference, field("reason", say("reason"), say("reasonHint")),
        el("div", {}, error, el("button", { id: "propose", class: "plain", type: "submit" }, say("propose"))))),
  ];
}

// ---- 随单赠品 ------------------------------------------------------------

const giftStates = ["pending", "shipped"];
const giftBadge = (g) => badge(term("gift", g.state), g.state === "shipped" ? "good" : "");
const orderName = (o) => channelName(o.channel) + " · " + o.shop + " · " + o.order_id;

function gifts() {
  const state = wanted(giftStates);
  const mayShip = mayRun() || session.role === "integration";
  return [
    heading(say("gifts"), el("button", { id: "refresh", class: "plain", type: "button", onclick: () => route() }, say("refresh"))),
    cardTabs("gifts"),
    el("p", { class: "lead" }, say("giftsLead")),
    tabs("gift-states", say("state"), state, giftStates.map((s) => [s, "/console/gifts?state=" + s, term("gift", s)])),
    pages("gifts-table", say("gifts"), "/v1/gifts?state=" + state, [
      { name: say("gift"), cell: (g) => [g.text, el("small", {}, g.id)] },
      { name: say("member"), cell: (g) => memberLink(g.member_id) },
      { name: say("wonAt"), cell: (g) => ago(g.won_at) },
      state === "shipped" ?
        { name: say("order"), cell: (g) => [orderName(g.order), el("small", {}, say("shippedWith", g.shipped_by, when(g.shipped_at)))] } :
        mayShip && { name: "", cell: (g) => el("button", { class: "plain", type: "button", "aria-label": say("shipOf", g.text), onclick: () => ship(g) }, say("ship")) },
    ].filter(Boolean), say("noGifts")),
  ];
}

// ship asks which order a gift leaves with: one of the member's, or another.
function ship(gift) {
  const troubles = el("div", {}), choice = el("div", {}), error = el("p", { id: "ship-error", class: "error", role: "alert" });
  const keyOf = keyed();
  const input = (id, label) => el("div", {}, el("label", { for: id }, label), el("input", { id, type: "text", autocomplete: "off", maxlength: "128", "aria-describedby": "ship-error" }));
  const fields = ["channel", "shop", "order_id"];
  const manual = el("div", { class: "stack" }, input("ship-channel", say("channel")), input("ship-shop", say("shop")), input("ship-order_id", say("orderNumber")));
  let orders = [];
  const submit = async (event) => {
    event.preventDefault();
    const listed = orders[byID("ship-choice")?.value];
    const order = listed ? { channel: listed.channel, shop: listed.shop, order_id: listed.order_id } : Object.fromEntries(fields.map((f) => [f, byID("ship-" + f).value.trim()]));
    const missing = fields.find((f) => !order[f]);
    error.textContent = missing ? say("shipNeeded") : "";
    if (missing) return byID("ship-" + missing).focus();
    await act(byID("ship-yes"), troubles, async () => {
      await request("POST", "/v1/members/" + encodeURIComponent(gift.member_id) + "/gifts/" + encodeURIComponent(gift.id) + "/shipment", { key: keyOf(order), body: { order } });
      dialog.close();
      route();
      announce(say("shippedDone"));
    });
  };
  const dialog = el("dialog", { id: "ship", "aria-labelledby": "ship-title", onclose: () => dialog.remove() },
    el("h2", { id: "ship-title" }, say("shipOf", gift.text)),
    el("form", { class: "stack", method: "post", novalidate: true, onsubmit: submit }, choice, manual, el("div", {}, error, troubles,
      el("div", { class: "row buttons" },
        el("button", { id: "ship-cancel", class: "plain", type: "button", onclick: () => dialog.close() }, say("cancel")),
        el("button", { id: "ship-yes", class: "primary", type: "submit" }, say("ship"))))));
  manual.hidden = true;
  load(choice, () => get("/v1/members/" + encodeURIComponent(gift.member_id) + "/orders?limit=20"), (list) => {
    orders = list.items;
    manual.hidden = orders.length > 0;
    if (!orders.length) return [];
    const select = el("select", { id: "ship-choice", onchange: () => { manual.hidden = select.value !== "other"; } },
      orders.map((o, i) => el("option", { value: i }, o.order_id + " · " + channelName(o.channel) + " " + o.shop + (o.paid_at ? " · " + day(o.paid_at) : ""))), el("option", { value: "other" }, say("shipOther")));
    return [el("label", { for: "ship-choice" }, say("shipWith")), select];
  });
  document.body.append(dialog);
  dialog.showModal();
}

// ---- 营销活动 ------------------------------------------------------------

const weekdays = english ? ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] : ["周日", "周一", "周二", "周三", "周四", "周五", "周六"];

// scheduleText says the plain cron forms in words, and leaves the others as written.
function scheduleText(s) {
  if (s.at) return say("scheduleOnce", when(s.at));
  let text = s.cron;
  const [minute, hour, dayOfMonth, month, weekday] = s.cron.trim().split(/\s+/);
  if (/^\d+$/.test(minute) && /^\d+$/.test(hour) && dayOfMonth === "*" && month === "*") {
    const time = hour.padStart(2, "0") + ":" + minute.padStart(2, "0");
    if (weekday === "*") text = say("scheduleDaily", time);
    else if (/^[0-6](,[0-6])*$/.test(weekday)) text = say("scheduleWeekly", weekday.split(",").map((d) => weekdays[d]).join(english ? ", " : "、"), time);
  }
  return s.until ? say("scheduleUntil", text, when(s.until)) : text;
}

function campaigns() {
  const place = el("div", { id: "campaigns" });
  load(place, () => Promise.all([every("/v1/campaigns"), every("/v1/coupon-templates").then(byId), every("/v1/audiences").then(byId)]), ([list, templates, audiences]) => {
    if (!list.items.length) return el("p", { class: "empty" }, say("noCampaigns"));
    announce(say("shown", say("campaigns"), list.items.length));
    return list.items.map((c) => {
      const id = "campaign-" + c.id;
      const result = el("div", {});
      load(result, () => get("/v1/campaigns/" + encodeURIComponent(c.id) + "/result"), (r) => el("div", { class: "figures", role: "group", "aria-label": say("result") },
        tile(id + "-issued", say("issued"), say("unit_coupons", number(r.issued))),
        tile(id + "-held-out", say("heldOut"), say("unit_people", number(r.held_out))),
        tile(id + "-unfunded", say("unfunded"), say("unit_people", number(r.unfunded))),
        tile(id + "-limited", say("limited"), say("unit_people", number(r.limited))),
        tile(id + "-runs", say("runs"), say("unit_times", number(r.runs)), say("finished") + " " + number(r.finished))));
      const t = templates[c.template];
      return sheet(id, c.name || c.id,
        facts(
          [say("state"), badge(term("campaign", c.state), c.state === "active" ? "good" : "warn")],
          [say("schedule"), el("span", { title: c.schedule.cron }, scheduleText(c.schedule))],
          [say("audience"), [audiences[c.audience]?.name || c.audience, audiences[c.audience] ? el("small", {}, el("code", {}, audiences[c.audience].rule)) : ""]],
          [say("template"), t ? [t.name, el("small", {}, terms(t))] : c.template],
          [say("holdout"), number(c.holdout || 0) + "%"],
          [say("ran"), c.ran_at ? moment(c.ran_at) : say("notRun")]),
        result);
    });
  });
  return [heading(say("campaigns")), place];
}

// ---- 提醒 ----------------------------------------------------------------

const byDue = (items) => items.toSorted((a, b) => Date.parse(a.due_at) - Date.parse(b.due_at));

function reminderColumns(withMember) {
  const title = (category) => session.program?.repurchase.categories?.[category]?.name || category;
  const category = (r) => title(r.category);
  return [
    { name: say("due"), cell: (r) => moment(r.due_at) },
    withMember && { name: say("member"), cell: (r) => link("/console/members/" + encodeURIComponent(r.member_id), el("code", {}, r.member_id)) },
    { name: say("category"), cell: category },
    { name: say("bought"), cell: (r) => moment(r.bought_at) },
    { name: say("lead"), number: true, cell: (r) => say("unit_days", number(r.lead_days)) },
    { name: say("why"), cell: (r) => (r.why.startsWith("cycle of the category") ? say("whyCycle") : r.why) },
    { name: say("state"), cell: (r) => [badge(term("reminder", r.state), r.state === "sent" ? "good" : ""), r.reason || r.at || r.postponed_from || r.message_of ? el("small", {}, [r.message_of && say("reminder_with", title(r.message_of)), r.postponed_from && say("reminder_postponed", when(r.postponed_from)), r.reason && term("reason", r.reason), r.at && when(r.at)].filter(Boolean).join(" · ")) : ""] },
  ].filter(Boolean);
}

function reminders() {
  const wanted = new URLSearchParams(location.search).get("due_until");
  const until = /^\d{4}-\d{2}-\d{2}$/.test(wanted || "") && !isNaN(Date.parse(wanted)) ? wanted : isoDay(inDays(7));
  const input = el("input", { id: "due-until", type: "date", value: until, required: true, "aria-describedby": "due-error" });
  const error = el("p", { id: "due-error", class: "error", role: "alert" });
  const place = el("div", {});
  // The index is sharded: only the whole list can be put in order.
  load(place, () => every("/v1/reminders?due_before=" + encodeURIComponent(startOfDay(until, 1)), 20), (list) => {
    announce(say("shown", say("reminders"), list.items.length));
    if (!list.items.length) return el("p", { class: "empty" }, say("noReminders"));
    return [
      list.more ? el("p", { class: "notice" }, say("remindersMost", number(list.items.length))) : "",
      table("reminders-table", say("reminders"), reminderColumns(true), byDue(list.items)).node,
    ];
  });
  return [
    heading(say("reminders")),
    el("form", { id: "reminders-form", class: "bar", method: "post", novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      error.textContent = input.value ? "" : say("dateNeeded");
      if (input.value) navigate("/console/reminders?due_until=" + input.value); else input.focus();
    } },
    el("label", { for: "due-until" }, say("dueUntil")),
    el("div", { class: "row" }, input, el("button", { id: "reminders-show", class: "primary", type: "submit" }, say("show"))), error),
    place,
  ];
}

// ---- 队列 ----------------------------------------------------------------

const notAdmin = () => el("p", { class: "notice", id: "queues-admin" }, say("queuesAdmin", term("role", session.role)));

function redrive(name, done) {
  const troubles = el("div", {});
  const key = newKey();
  return [el("button", { id: "redrive-" + name, class: "plain", type: "button", onclick: async (event) => {
    if (!await ask(say("askRedrive", term("queue", name)), say("redrive"))) return;
    await act(event.target, troubles, async () => {
      const answer = await (await request("POST", "/v1/queues/" + encodeURIComponent(name) + "/redrive", { key })).json();
      done();
      announce(say("redriven", number(answer.messages)));
    });
  } }, say("redrive")), troubles];
}

function queues() {
  if (!isAdmin()) return [heading(say("queues")), notAdmin()];
  const place = el("div", {});
  const read = () => get("/v1/queues");
  const again = () => load(place, read, render);
  const render = (list) => {
    announce(say("shown", say("queues"), list.items.length));
    return table("queues-table", say("queues"), [
      { name: say("queue"), cell: (q) => [term("queue", q.name), el("small", {}, q.name)] },
      { name: say("waiting"), number: true, cell: (q) => say("unit_messages", number(q.waiting)) },
      { name: say("inFlight"), number: true, cell: (q) => say("unit_messages", number(q.in_flight)) },
      { name: say("dead"), number: true, cell: (q) => (q.dead ? badge(say("unit_messages", number(q.dead)), "bad") : say("unit_messages", 0)) },
      { name: say("openDead"), cell: (q) => (q.dead ? link("/console/queues/" + encodeURIComponent(q.name), say("openDead")) : "—") },
    ], list.items).node;
  };
  again();
  return [heading(say("queues"), el("button", { id: "refresh", class: "plain", type: "button", onclick: again }, say("refresh"))), el("p", { class: "lead" }, say("queuesLead")), place];
}

function deadLetters(name) {
  const title = heading(say("deadOf", term("queue", name)));
  const crumb = el("p", { class: "crumb" }, link("/console/queues", "‹ " + say("queues")));
  if (!isAdmin()) return [crumb, title, notAdmin()];
  const most = 100;
  const place = el("div", {});
  const read = () => get("/v1/queues/" + encodeURIComponent(name) + "/dead?limit=" + most);
  const again = () => load(place, read, render);
  const render = (list) => {
    announce(say("shown", say("dead"), list.items.length));
    if (!list.items.length) return el("p", { class: "empty" }, say("noDead"));
    const pretty = (body) => { try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; } };
    return [
      el("div", { class: "actions" }, redrive(name, again)),
      list.items.length >= most ? el("p", { class: "hint" }, say("deadMost", most)) : "",
      ...list.items.map((m) => el("details", { class: "sheet" },
        el("summary", {}, moment(m.sent_at), " · ", say("received", number(m.receives)), el("small", {}, m.id)),
        el("pre", { tabindex: "0", "aria-label": say("body") }, pretty(m.body)))),
    ];
  };
  again();
  return [crumb, title, place];
}

// ---- where we are --------------------------------------------------------

const routes = [
  [/^\/console$/, "today", today],
  [/^\/console\/members$/, "members", () => members()],
  [/^\/console\/members\/([^/]+)$/, "members", member],
  [/^\/console\/cards$/, "cards", cards],
  [/^\/console\/cards\/([^/]+)$/, "cards", batch],
  [/^\/console\/holds$/, "cards", holds],
  [/^\/console\/payouts$/, "cards", payouts],
  [/^\/console\/payouts\/([^/]+)$/, "cards", payout],
  [/^\/console\/gifts$/, "cards", gifts],
  [/^\/console\/campaigns$/, "campaigns", campaigns],
  [/^\/console\/reminders$/, "reminders", reminders],
  [/^\/console\/queues$/, "queues", queues],
  [/^\/console\/queues\/([^/]+)$/, "queues", deadLetters],
];

function route(moved) {
  visit++;
  const found = routes.map(([pattern, view, show]) => ({ match: pattern.exec(location.pathname), view, show })).find((r) => r.match);
  const view = found ? found.view : "missing";
  document.body.dataset.view = view;
  for (const a of document.querySelectorAll("#nav a")) {
    if (a.id === "nav-" + view) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  const part = found && found.match[1];
  const shown = found ? found.show(...(part ? [decodeURIComponent(part)] : [])) : [heading(say("missing")), el("p", {}, say("missingHow"))];
  byID("view").replaceChildren(...[shown].flat().filter(Boolean));
  document.title = byID("title").textContent + " · " + brandTitle;
  const language = new URLSearchParams(location.search);
  language.set("lang", byID("language").lang);
  byID("language").href = "?" + language;
  if (moved) {
    scrollTo(0, 0);
    byID("title").focus({ preventScroll: true });
  }
}
const brandTitle = document.title;

function navigate(address) {
  history.pushState(null, "", address);
  route(true);
}

document.addEventListener("click", (event) => {
  const a = event.target.closest("a[data-page]");
  if (!a || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  if (session.name) navigate(a.getAttribute("href"));
});
addEventListener("popstate", () => { if (session.name) route(true); });

// ---- signing in ----------------------------------------------------------

const tokenKey = "huitou.operator-token";

function showSignIn(message) {
  visit++;
  document.body.classList.add("out");
  for (const id of ["nav", "sign-out"]) byID(id).hidden = true;
  byID("who").textContent = "";
  byID("view").replaceChildren();
  byID("sign-in").hidden = false;
  byID("sign-in-error").textContent = message || "";
  byID("token").focus();
}

function signOut(refusal) {
  sessionStorage.removeItem(tokenKey);
  sessionStorage.removeItem(recentKey);
  Object.assign(session, { token: "", name: "", role: "", program: null });
  showSignIn(refusal && (words["error_" + refusal.code] ? say("error_" + refusal.code) : refusal.detail));
}

async function signIn(token) {
  session.token = token;
  const who = await get("/console/session");
  if (who.role === "printer") throw new Refusal(403, { type: "role_printer", detail: say("rolePrinter") });
  session.program = await get("/v1/program");
  Object.assign(session, { name: who.name, role: who.role });
  sessionStorage.setItem(tokenKey, token);
  byID("who").textContent = who.name === who.role ? term("role", who.role) : who.name + " · " + term("role", who.role);
  document.body.classList.remove("out");
  byID("sign-in").hidden = true;
  byID("token").value = "";
  for (const id of ["nav", "sign-out"]) byID(id).hidden = false;
  for (const a of document.querySelectorAll("[data-admin]")) a.hidden = !isAdmin();
}

byID("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const token = byID("token").value.trim();
  const error = byID("sign-in-error"), button = byID("sign-in-submit");
  error.textContent = token ? "" : say("tokenNeeded");
  byID("token").setAttribute("aria-invalid", !token);
  if (!token) return byID("token").focus();
  button.disabled = true;
  try {
    await signIn(token);
    route(true);
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    session.token = "";
    error.textContent = words["error_" + refusal.code] ? say("error_" + refusal.code) : refusal.detail;
    byID("token").focus();
  } finally {
    button.disabled = false;
  }
});
byID("sign-out").addEventListener("click", () => { signOut(); announce(say("signedOut")); });

// The language was taken into a cookie; the address need not keep it.
{
  const query = new URLSearchParams(location.search);
  if (query.has("lang")) {
    query.delete("lang");
    history.replaceState(null, "", location.pathname + (query.size ? "?" + query : ""));
  }
}
const kept = sessionStorage.getItem(tokenKey);
if (!kept) showSignIn();
else {
  try {
    await signIn(kept);
    route();
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    if (refusal.status === 401 || refusal.status === 403) signOut(refusal);
    else byID("view").replaceChildren(errorBox(refusal, say("failed"), () => location.reload()));
  }
}
