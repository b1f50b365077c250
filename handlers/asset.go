package handlers

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// asset is one embedded file. Browsers ask for it again each time, and get it only when it has changed.
type asset struct {
	content     []byte
	contentType string
	etag        string
}

func newAsset(content, contentType string) asset {
	sum := sha256.Sum256([]byte(content))
	return asset{content: []byte(content), contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`}
}

func (a asset) serve(r *request) error {
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
