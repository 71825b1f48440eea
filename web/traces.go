package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"openchat/web/jwks"
	"openchat/web/tracing"
)

// checkTraces checks --otlp-endpoint and what belongs to it, and reads the secrets of --otlp-header.
func (s *settings) checkTraces() error {
	if s.otlpSampling < 1 || s.otlpSampling > tracing.MaxOneIn {
		return fmt.Errorf("--otlp-sampling %d is not possible; it takes 1 (every call) to %d", s.otlpSampling, tracing.MaxOneIn)
	}
	if s.otlpEndpoint == "" {
		if len(s.otlpHeader) > 0 {
			return errors.New("--otlp-header is for --otlp-endpoint, which is not set")
		}
		return nil
	}
	// Not the URL in the error: it may hold a password.
	if err := tracing.CheckEndpoint(s.otlpEndpoint); err != nil {
		return fmt.Errorf("--otlp-endpoint is %w", err)
	}
	s.otlpFields = http.Header{}
	for i, text := range s.otlpHeader {
		number := ordinal(i, len(s.otlpHeader))
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--otlp-header%s is not name=value or name=@file", number)
		}
		if err := readSecret("otlp-header", &value); err != nil {
			return err
		}
		if err := tracing.CheckHeader(name, value); err != nil {
			return fmt.Errorf("--otlp-header%s: %w", number, err)
		}
		s.otlpFields.Add(name, value)
	}
	u, err := url.Parse(s.otlpEndpoint)
	if err == nil && u.Scheme == "http" && len(s.otlpFields) > 0 && !jwks.IsLoopback(u.Hostname()) {
		return errors.New("--otlp-header goes to an https URL or a loopback address only: others could read it on its way")
	}
	return err
}

// sendTraces begins to send traces where they are asked for.
func (p *process) sendTraces() (err error) {
	if p.otlpEndpoint == "" {
		return nil
	}
	p.traces, err = tracing.New(tracing.Config{
		Endpoint: p.otlpEndpoint, Header: p.otlpFields, OneIn: p.otlpSampling, Version: buildVersion(), Logger: p.log,
	})
	if u, _ := url.Parse(p.otlpEndpoint); err == nil && u != nil {
		p.log.Info("tracing calls", "collector", u.Host, "oneIn", p.otlpSampling)
	}
	return err
}

// closeTraces sends what is left of the traces, for as long as a part of a stop may take.
func (p *process) closeTraces() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	return p.traces.Close(ctx)
}
