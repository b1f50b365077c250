package middleware

import (
	"crypto/tls"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/fiberflow/flow/redisx"
)

// place is one way to say where Redis is and as whom to come: REDIS_URL, or the keys it overrides.
type place struct {
	host               string
	port               int
	username, password string
	db                 int
	tls                bool
}

func redisURL(field *place) value {
	want := "redis://[[username]:password@]host[:port][/db], or rediss:// for TLS"
	return value{want: want, url: true, read: func(text string) bool {
		u, err := url.Parse(text)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			return false
		}
		password, _ := u.User.Password()
		*field = place{
			host: u.Hostname(), port: 6379, tls: u.Scheme == "rediss",
			username: u.User.Username(), password: password,
		}
		if u.Port() != "" {
			field.port, _ = strconv.Atoi(u.Port()) // isPort looks at it below
		}
		db := strings.Trim(u.Path, "/")
		if db != "" {
			field.db, err = strconv.Atoi(db)
		}
		known := u.Scheme == "redis" || u.Scheme == "rediss"
		return known && err == nil && field.db >= 0 && isHost(field.host) && isPort(strconv.Itoa(field.port))
	}}
}

// resolveRedis lets REDIS_URL win over the keys that say the same, and warns of what is not used.
func (e *env) resolveRedis(set map[string]bool) {
	at := e.place
	if set["REDIS_URL"] {
		at = e.url
		if keys := e.overridden(set); len(keys) > 0 {
			e.ignored = append(e.ignored, ignored{keys, "REDIS_URL is set"})
		}
	}
	r := &e.Redis
	r.Username, r.Password = at.username, Secret(at.password)
	r.DB, r.TLS = at.db, at.tls
	r.Addrs = []string{net.JoinHostPort(at.host, strconv.Itoa(at.port))}
	if r.Mode != "single" && len(e.addrs) > 0 {
		r.Addrs = e.addrs
	}
	if r.Mode == "single" && len(e.addrs) > 0 {
		e.ignored = append(e.ignored, ignored{[]string{"REDIS_ADDRS"}, "REDIS_MODE is single"})
	}
	if r.Mode != "sentinel" && r.MasterName != "" {
		e.ignored = append(e.ignored, ignored{[]string{"REDIS_MASTER_NAME"}, "REDIS_MODE is " + r.Mode})
	}
}

// overridden returns the keys that are set to something else than what REDIS_URL says.
func (e *env) overridden(set map[string]bool) []string {
	keys := []string{"REDIS_HOST", "REDIS_PORT", "REDIS_USERNAME", "REDIS_PASSWORD", "REDIS_DB", "REDIS_TLS"}
	differs := []bool{
		e.place.host != e.url.host, e.place.port != e.url.port, e.place.username != e.url.username,
		e.place.password != e.url.password, e.place.db != e.url.db, e.place.tls != e.url.tls,
	}
	var found []string
	for i, name := range keys {
		if set[name] && differs[i] {
			found = append(found, name)
		}
	}
	return found
}

// redisConfig is what the settings mean for package redisx.
func (o *opening) redisConfig(cfg Config) redisx.Config {
	c := redisx.Config{
		Client: cfg.Redis, Mode: redisx.Mode(o.Redis.Mode), Addrs: o.Redis.Addrs, MasterName: o.Redis.MasterName,
		Username: o.Redis.Username, Password: string(o.Redis.Password), DB: o.Redis.DB,
		Prefix: o.Redis.Prefix, Timeout: o.Redis.Timeout, SessionTTL: o.SessionTTL, InstanceTTL: o.PresenceTTL,
		OperationTTL: o.OperationTTL, OperationLimit: o.OperationLimit, Logger: o.log,
	}
	if o.Redis.TLS {
		c.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return c
}
