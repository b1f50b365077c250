package handlers

import _ "embed" // the browser client is part of the program

//go:embed client/client.js
var clientScript string

//go:embed client/client.d.ts
var clientTypes string

// clientFiles are the browser client and its types.
type clientFiles struct{ js, dts asset }

func newClientFiles() clientFiles {
	js := newAsset(clientScript, "text/javascript; charset=utf-8")
	dts := newAsset(clientTypes, "application/typescript; charset=utf-8")
	js.shared, dts.shared = true, true // an application's pages may be of another origin than its sockets
	return clientFiles{js: js, dts: dts}
}

func (f clientFiles) script(r *request) error { return f.js.serve(r) }
func (f clientFiles) types(r *request) error  { return f.dts.serve(r) }
