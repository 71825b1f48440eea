package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/jwks"
)

// customerCommand exports or erases a customer, at a gateway that runs.
const customerCommand = "customer"

// customerUsage says how the command is used.
const customerUsage = "gateway customer export|erase --customer id [--account id] [--url https://chat.example.com] [flags of the gateway]"

// customerCall is what the command asks a gateway for.
type customerCall struct {
	method, url, credential string
}

// customerData runs the command; args are those after its name. The export goes to stdout.
func customerData(ctx context.Context, args []string, env environment, stdout io.Writer) (code int, err error) {
	call, err := readCustomerCall(args, env)
	if err != nil {
		return exitMisused, err
	}
	if call.method == http.MethodGet {
		err = call.export(ctx, stdout)
	} else {
		err = call.erase(ctx, stdout)
	}
	if err != nil {
		return exitFailed, err
	}
	return 0, nil
}

// readCustomerCall reads the command's arguments.
func readCustomerCall(args []string, env environment) (c customerCall, err error) {
	if len(args) == 0 || args[0] != "export" && args[0] != "erase" {
		return c, errors.New("this command is " + customerUsage)
	}
	verb, args := args[0], slices.Clone(args[1:])
	customer, args := takeFlag(args, "customer")
	base, args := takeFlag(args, "url")
	s, err := parse(args, env)
	if err != nil {
		return c, err
	}
	if s.demo {
		fill(&s.account, demoAccount)
		if len(s.serverCredential) == 0 {
			s.serverCredential = secrets{demoServer}
		}
	}
	if s.account == "" && len(s.tenants) == 1 {
		s.account, _, _ = strings.Cut(s.tenants[0], ":")
	}
	if customer == "" || s.account == "" {
		return c, errors.New("--customer and --account say whom it is about: " + customerUsage)
	}
	for i, text := range s.serverCredential {
		accounts, secret := cutAccounts(text)
		if !slices.Contains(accounts, s.account) && !slices.Contains(accounts, httpapi.AllAccounts) {
			continue
		}
		if err := readSecret("server-credential"+ordinal(i, len(s.serverCredential)), &secret); err != nil {
			return c, err
		}
		c.credential = secret
		break
	}
	if c.credential == "" {
		return c, fmt.Errorf("--server-credential, or GATEWAY_SERVER_CREDENTIAL, has none for the account %s", s.account)
	}
	if base == "" {
		if base, err = s.localURL(); err != nil {
			return c, err
		}
	}
	if u, err := url.Parse(base); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !jwks.IsLoopback(u.Hostname())) {
		return c, errors.New("--url (without it, --addr) must be https://host, or http:// of a loopback address: the server credential goes there")
	}
	// A path of dots alone would be another path.
	c.url = strings.TrimSuffix(base, "/") + wire.BasePath + "/accounts/" + url.PathEscape(s.account) + "/customers/" + strings.ReplaceAll(url.PathEscape(customer), ".", "%2E")
	c.method = http.MethodDelete
	if verb == "export" {
		c.method, c.url = http.MethodGet, c.url+"/export"
	}
	return c, nil
}

// localURL is where a command on the same machine finds the gateway that has these settings.
func (s *settings) localURL() (string, error) {
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return "", fmt.Errorf("--addr %s is not host:port, as in 127.0.0.1:8080", s.addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}

// takeFlag takes a flag that only this command has out of the arguments.
func takeFlag(args []string, name string) (value string, rest []string) {
	for i := 0; i < len(args); i++ {
		flag := strings.TrimPrefix(strings.TrimPrefix(args[i], "-"), "-")
		switch {
		case flag == args[i]:
			rest = append(rest, args[i])
		case flag == name && i+1 < len(args):
			i++
			value = args[i]
		case strings.HasPrefix(flag, name+"="):
			value = flag[len(name)+1:]
		default:
			rest = append(rest, args[i])
		}
	}
	return value, rest
}

// customerTries is how often a call is made that a gateway refuses for now.
const customerTries = 5

// do makes the call; what a gateway refuses for now is tried again. It does not follow a
// redirection, which would take the credential elsewhere.
func (c customerCall) do(ctx context.Context) (*http.Response, error) {
	client := jwks.NewClient()
	for try := 1; ; try++ {
		r, err := http.NewRequestWithContext(ctx, c.method, c.url, nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+c.credential)
		res, err := client.Do(r)
		if err != nil {
			// Not the URL, which names the customer.
			var u *url.Error
			if errors.As(err, &u) {
				err = u.Err
			}
			return nil, fmt.Errorf("the gateway cannot be reached: %w", err)
		}
		if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusAccepted {
			return res, nil
		}
		text, _ := io.ReadAll(io.LimitReader(res.Body, wire.MaxBody)) // what there is of it
		_ = res.Body.Close()
		wait, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		if wait < 1 || wait > 60 || try == customerTries {
			p, _ := wire.DecodeProblem(text)
			return nil, fmt.Errorf("the gateway answers %s %s", res.Status, p.Detail)
		}
		t := time.NewTimer(time.Duration(wait) * time.Second)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}

// export copies the lines, and fails when the last is missing.
func (c customerCall) export(ctx context.Context, to io.Writer) error {
	res, err := c.do(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines, complete := bufio.NewReader(res.Body), false
	for {
		line, err := lines.ReadBytes('\n')
		if _, failed := to.Write(line); failed != nil {
			return failed
		}
		if len(line) > 0 {
			complete = bytes.HasPrefix(line, []byte(`{"type":"complete"`))
		}
		if err != nil {
			if !complete {
				return errors.New("the export was broken off and is not complete; do it again")
			}
			return nil
		}
	}
}

// erase repeats the call until nothing is left.
func (c customerCall) erase(ctx context.Context, to io.Writer) error {
	for {
		res, err := c.do(ctx)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(res.Body, wire.MaxBody))
		_ = res.Body.Close()
		if err != nil {
			return err
		}
		fmt.Fprintf(to, "%s\n", text)
		if res.StatusCode == http.StatusOK {
			return nil
		}
	}
}
