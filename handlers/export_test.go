package handlers

// Access is what a route asks for, by name.
type Access string

// RouteAccess is a line of the table of routes.
type RouteAccess struct {
	Method, Path string
	Access       Access
}

// Routes returns the table that Register registers.
func Routes() []RouteAccess {
	names := map[access]Access{
		public: "public", viewer: "viewer", editor: "editor", owner: "owner", admin: "admin",
		ownerOrAdmin: "owner or admin", selfOrAdmin: "self or admin",
	}
	var table []RouteAccess
	for _, r := range newEndpoints(configDefault()).routes() {
		table = append(table, RouteAccess{r.method, r.path, names[r.access]})
	}
	return table
}
