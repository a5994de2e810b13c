package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
)

// config is what `make run` reads from its environment.
type config struct {
	addr          string
	folder        string
	operatorToken string // "" draws one at the first start
	webhookSecret string // the same
	demo          bool
}

// readConfig refuses what it cannot use, by the variable's name; there are no
// arguments.
func readConfig(arguments []string, getenv func(string) string) (config, error) {
	c := config{
		addr: getenv("HUITOU_ADDR"), folder: getenv("HUITOU_DATA"),
		operatorToken: getenv("HUITOU_OPERATOR_TOKEN"), webhookSecret: getenv("HUITOU_WEBHOOK_SECRET"),
	}
	if len(arguments) > 0 {
		return c, errors.New("takes no arguments; it reads HUITOU_ADDR, HUITOU_DATA, HUITOU_OPERATOR_TOKEN, HUITOU_WEBHOOK_SECRET and HUITOU_DEMO from the environment")
	}
	if c.addr == "" {
		c.addr = "127.0.0.1:8080"
	}
	if c.folder == "" {
		c.folder = ".huitou"
	}
	if _, port, err := net.SplitHostPort(c.addr); err != nil || port == "" {
		return c, errors.New(`HUITOU_ADDR must be host:port, as in "127.0.0.1:8080"`)
	}
	if strings.ContainsFunc(c.operatorToken, func(r rune) bool { return r <= ' ' || r > '~' }) || len(c.operatorToken) > 1024 {
		return c, errors.New("HUITOU_OPERATOR_TOKEN must be printable ASCII without spaces, at most 1024 characters")
	}
	if c.webhookSecret != "" {
		if err := checkWebhookSecret(c.webhookSecret); err != nil {
			return c, fmt.Errorf("HUITOU_WEBHOOK_SECRET: %w", err)
		}
	}
	switch getenv("HUITOU_DEMO") {
	case "", "1":
		c.demo = true
	case "0":
	default:
		return c, errors.New("HUITOU_DEMO must be 0 (start empty) or 1 (with the demo brand)")
	}
	return c, nil
}

func checkWebhookSecret(secret string) error {
	encoded, found := strings.CutPrefix(secret, "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if !found || err != nil || len(key) < 16 {
		return errors.New(`must be "whsec_" and the base64 of at least 16 bytes, as from: echo "whsec_$(head -c 32 /dev/urandom | base64)"`)
	}
	return nil
}
