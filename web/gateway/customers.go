package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"openchat/sdk/wire"
	"openchat/web/httpapi"
	"openchat/web/store"
)

// Exports and erasures read, and erasures write, much for one call.
const (
	// maxBulk is how many of them are in progress at once at one gateway.
	maxBulk = 2
	// exportTime bounds an export.
	exportTime = 10 * time.Minute
	// eraseTime is after how long an erasure answers that it is not complete. It ends well
	// before the call does.
	eraseTime = 10 * time.Second
)

// bulk admits a call that reads or writes much, and keeps its place until it is answered.
func (g *Gateway) bulk(r *http.Request) (c store.Customer, err error) {
	c = store.Customer{Account: r.PathValue("account"), ID: r.PathValue("customer")}
	if err := httpapi.CheckAccount(c.Account); err != nil {
		return c, httpapi.Invalid("accountId", "is "+err.Error(), wire.ViolationPattern)
	}
	if store.CheckCustomerID(c.ID) != nil {
		return c, httpapi.Invalid("customerId", "must have 1–"+strconv.Itoa(store.MaxCustomerID)+" characters", wire.ViolationLength)
	}
	select {
	case g.bulkCalls <- struct{}{}:
		httpapi.AfterAnswer(r, func() { <-g.bulkCalls })
		return c, nil
	default:
		return c, httpapi.TooMany("Others are being exported or erased.", 5*time.Second)
	}
}

// exportCustomer answers with a line for each entry, and one that says that none is missing.
func (g *Gateway) exportCustomer(r *http.Request) (httpapi.Answer, error) {
	c, err := g.bulk(r)
	if err != nil {
		return httpapi.Answer{}, err
	}
	return httpapi.Answer{Status: http.StatusOK, Lines: func(write func(line []byte) error) error {
		n := 0
		err := g.store.Export(r.Context(), c, func(e store.Exported) error {
			line, err := json.Marshal(e)
			if err == nil {
				n++
				err = write(line)
			}
			return err
		})
		if err == nil {
			err = write([]byte(`{"type":"complete","entries":` + strconv.Itoa(n) + `}`))
		}
		if err == nil {
			g.log.Info("customer exported", "account", c.Account, "entries", n)
		}
		return err
	}}, nil
}

// eraseCustomer answers 200 when nothing is left, and 202 when the call is to be repeated.
func (g *Gateway) eraseCustomer(r *http.Request) (httpapi.Answer, error) {
	c, err := g.bulk(r)
	if err != nil {
		return httpapi.Answer{}, err
	}
	n, complete, err := g.store.Erase(r.Context(), c, time.Now().Add(eraseTime))
	if err != nil {
		return httpapi.Answer{}, err
	}
	g.log.Info("customer erased", "account", c.Account, "entries", n, "complete", complete)
	status := http.StatusOK
	if !complete {
		status = http.StatusAccepted
	}
	body := `{"complete":` + strconv.FormatBool(complete) + `,"entries":` + strconv.Itoa(n) + `}`
	return httpapi.Answer{Status: status, Body: []byte(body)}, nil
}
