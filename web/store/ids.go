package store

// SessionID is the id of the session that CreateSession stores under that correlationId.
func SessionID(c Customer, integrationID, correlationID string) string {
	return derive("session", c.Account, c.ID, integrationID, correlationID)
}

// EngagementID is the id of the engagement that CreateEngagement stores under that
// correlationId.
func EngagementID(c Customer, integrationID, correlationID string) string {
	return derive("engagement", c.Account, c.ID, integrationID, correlationID)
}
