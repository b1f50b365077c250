package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// config is what differs from measurement to measurement.
type config struct {
	redis         string // address of the broker, empty for memory
	writeDelay    time.Duration
	frameMessages int
	offReadLoop   bool
	idempotent    bool // a publication with a history that is sent twice is kept once
	presence      bool // members of a channel are told who comes and goes, and may ask who is there
}

func configFromEnvironment() (c config, err error) {
	c.redis = os.Getenv("REDIS_URL")
	if text := os.Getenv("CENTRIFUGE_WRITE_DELAY"); text != "" {
		if c.writeDelay, err = time.ParseDuration(text); err != nil {
			return c, fmt.Errorf("CENTRIFUGE_WRITE_DELAY: %w", err)
		}
	}
	if text := os.Getenv("CENTRIFUGE_FRAME_MESSAGES"); text != "" {
		if c.frameMessages, err = strconv.Atoi(text); err != nil {
			return c, fmt.Errorf("CENTRIFUGE_FRAME_MESSAGES: %w", err)
		}
	}
	c.offReadLoop = os.Getenv("CENTRIFUGE_OFF_READ_LOOP") == "true"
	c.idempotent = os.Getenv("CENTRIFUGE_IDEMPOTENT") == "true"
	c.presence = os.Getenv("CENTRIFUGE_PRESENCE") == "true"
	return c, nil
}
