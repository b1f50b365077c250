package flow

// readMessages reads what is a list of messages, of text that is valid JSON. Frames are parts of the text.
func readMessages(text []byte) (messages []peerMessage, ok bool) {
	if text[0] != '[' {
		return nil, false
	}
	ok = true
	elements(text, func(element []byte) {
		m, good := readMessage(element)
		ok = ok && good && len(messages) < outboxLimit
		if ok {
			messages = append(messages, m)
		}
	})
	return messages, ok
}

func readMessage(text []byte) (m peerMessage, ok bool) {
	ok = readMembers(text, func(name string) (*string, *[]byte) {
		switch name {
		case "k":
			return &m.Kind, nil
		case "room":
			return &m.Room, nil
		case "session":
			return &m.Session, nil
		case "user":
			return &m.User, nil
		case "ask":
			return &m.Ask, nil
		case "frame":
			return nil, &m.Frame
		}
		return nil, nil
	})
	return m, ok
}

// readEvent returns the frame of an event that another instance has passed on: to a room, or with "" to a user.
func readEvent(room string, frame []byte) (*Frame, error) {
	var kind, in, session, user string
	var e Event
	ok := readMembers(frame, func(name string) (*string, *[]byte) {
		switch name {
		case "type":
			return &kind, nil
		case "room":
			return &in, nil
		case "name":
			return &e.Name, nil
		case "session":
			return &session, nil
		case "user":
			return &user, nil
		case "data":
			return nil, (*[]byte)(&e.Data)
		}
		return nil, nil
	})
	named := len(e.Name) >= 1 && len(e.Name) <= 128
	from := (session == "" || validSession(session)) && (user == "" || (User{ID: user}).valid())
	if !ok || kind != "event" || in != room || !named || !from {
		return nil, errStrangeEvent
	}
	return eventFrame(room, e, session, user), nil
}

// readMembers reads the members of an object, of text that is valid JSON: a string where place names a text, any
// value where it names bytes, and nothing where it names neither. It reports whether all were of their kind. It takes
// the place of encoding/json, which took 6 % of what an event from another instance costs (scenario S6).
func readMembers(text []byte, place func(name string) (*string, *[]byte)) (ok bool) {
	if len(text) == 0 || text[0] != '{' {
		return false
	}
	ok = true
	members(text, func(name, value []byte, _ bool) bool {
		words, raw := place(string(name))
		switch {
		case raw != nil:
			*raw = value
		case words == nil:
		case value[0] == '"':
			*words = unquote(value[1 : len(value)-1])
		default:
			ok = false
		}
		return ok
	})
	return ok
}
