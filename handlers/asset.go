package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// filePolicy holds for a file that somebody opens as if it were a page: it loads nothing and is not framed.
const filePolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is one embedded file. Browsers ask for it again each time, and get it only when it has changed.
type asset struct {
	content     []byte
	contentType string
	etag        string
	policy      string // Content-Security-Policy
	shared      bool   // pages of other sites may load it
}

func newAsset(content, contentType string) asset {
	sum := sha256.Sum256([]byte(content))
	etag := `"` + hex.EncodeToString(sum[:12]) + `"`
	return asset{content: []byte(content), contentType: contentType, etag: etag, policy: filePolicy}
}

// protect tells the browser what the file may do, and who may use it.
func (a asset) protect(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, a.policy)
	c.Set(fiber.HeaderXFrameOptions, "DENY") // for browsers that do not know frame-ancestors
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	if a.shared {
		c.Set(fiber.HeaderCrossOriginResourcePolicy, "cross-origin")
	}
}

func (a asset) serve(r *request) error {
	a.protect(r.c)
	resp := r.c.Response()
	resp.Header.Set(fiber.HeaderCacheControl, "no-cache")
	resp.Header.Set(fiber.HeaderETag, a.etag)
	if matches(r.c.Get(fiber.HeaderIfNoneMatch), a.etag) {
		return r.done(fiber.StatusNotModified)
	}
	resp.Header.SetContentType(a.contentType)
	resp.SetBodyRaw(a.content)
	return nil
}

// matches reports whether the list of an If-None-Match header names the tag. Tags that a proxy weakened
// are as good.
func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
